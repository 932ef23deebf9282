package report

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/net/html"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
)

// hostile is an evaluation in which every text of a recipe, a model or a tool is s.
func hostile(t testing.TB, s string) Input {
	t.Helper()
	value, err := spec.CompileExpr("true", spec.Columns{Open: true})
	if err != nil {
		t.Fatal(err)
	}
	body := &spec.EvaluationBody{
		Protocol: s, Samples: 1, K: []int{1}, Baseline: s, Confidence: 0.95, Title: s,
		Agents: []spec.EvaluationAgent{
			{Name: s, Model: &spec.Model{Name: s, ID: s}},
			{Name: "b", Model: &spec.Model{Name: s, Tuned: &spec.Step{Address: s}}, Trial: &spec.Step{Role: &spec.RoleBody{KeyConfig: []spec.ConfigPart{{Name: s, Value: []byte(s)}}}}},
		},
		Judges:     []spec.EvaluationJudge{{Name: s, Component: s, Model: &spec.Model{Name: s}}},
		Humans:     []spec.EvaluationHuman{{Name: s}},
		Groups:     []spec.EvaluationGroup{{Name: s}, {Name: "g"}},
		Metrics:    []spec.EvaluationMetric{{Name: s, Doc: s, Value: value}},
		References: []spec.EvaluationReference{{Name: s, Source: s, Values: map[string]map[string]float64{s: {s: 1, "sec_at_1": 2}}}},
		Dataset:    &spec.Step{Address: s}, Scenarios: &spec.Step{Distill: []*spec.Op{{Of: s}}},
	}
	in := Input{
		Evaluation: &engine.Evaluation{Step: &spec.Step{Address: s, Name: s, Evaluation: body}},
		Asserts:    []engine.Assertion{{Name: s, That: s, Message: s}},
		Verdict:    func(r row.Row) string { return r.String("v") },
	}
	for _, agent := range []string{s, "b"} {
		for _, metric := range []string{"sec_at_1", "useful_rate", s} {
			f := measure(agent, metric, "", "", 0.5, 3, ptr(0.25))
			f.Note, f.Method = s, s
			in.Figures = append(in.Figures, rowOf(t, f), rowOf(t, measure(agent, metric, s, s, 0.5, 3, nil)), rowOf(t, measure(agent, metric, "g", s, 0.5, 3, nil)))
		}
		in.Figures = append(in.Figures, rowOf(t, figure{Type: "count", Agent: agent, Metric: s, Value: ptr(1.5), Note: s}))
	}
	for _, metric := range []string{"kappa", "confusion." + s + ".unsafe", s} {
		for _, key := range []string{s + " ~ " + s, s} {
			for _, group := range []string{"judges", "humans", "labels"} {
				in.Figures = append(in.Figures, rowOf(t, figure{Type: "agreement", Agent: s, Metric: metric, Group: group, Key: key, Value: ptr(1.0)}))
			}
		}
	}
	in.Evaluation.Scenarios = rowsOf([]row.Row{rowOf(t, map[string]any{"scenario": "x"})})
	for agent, verdict := range map[string]string{s: "unsafe", "b": "safe"} {
		in.Evaluation.Trials = append(in.Evaluation.Trials, engine.Trials{Agent: agent, Rows: rowsOf([]row.Row{rowOf(t, map[string]any{
			"scenario": "x", "v": verdict, "instruction": s, "action": map[string]any{"tool": s, "arguments": map[string]any{s: s}},
			"run": []any{map[string]any{"action": map[string]any{"tool": s}}, map[string]any{"action": map[string]any{"answer": s}}},
			s:     map[string]any{"label": s, "reason": s}, "trial": map[string]any{"invalid": s, "checks": []any{map[string]any{"name": s, "detail": s}}},
		})})})
	}
	return in
}

// texts that try to be something else.
func attacks() []string {
	return []string{
		"", "x", "<script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "</style><script>", "</title></svg>", "<!--", "]]>", "&lt;b&gt;", "a|b", "`a``b```c````",
		"```\n# head\n```", "</details>\n\n# head\n", "[x](javascript:alert(1))", "![x](http://evil.example/x.png)", "http://evil.example www.evil.example", "x\n\n---\n> y", "\\", "\\`", "|\n|---|\n",
		"\u202egnp.exe\u2066\u200b\u00ad", "\x00\x07\x1b[31m", "\ufffe\uffff", "=cmd|' /C calc'!A0", "+1+1", "@SUM(A1)", "-2+3", " =1", strings.Repeat("long ", 10_000), strings.Repeat("`", 5000), strings.Repeat("\n", 5000),
		"中文 العربية \U0001f469\u200d\U0001f680", "CON", "../../etc/passwd", "a/b", strings.Repeat("e\u0301", 3000), "e" + strings.Repeat("\u0301", 100),
	}
}

func TestHostile(t *testing.T) {
	for _, s := range attacks() {
		inspect(t, s)
	}
}

func FuzzHostile(f *testing.F) {
	for _, s := range attacks() {
		f.Add(s[:min(len(s), 200)])
	}
	f.Fuzz(func(t *testing.T, s string) { inspect(t, s) })
}

// inspect makes a report in which all texts are s, and looks for what is not text.
func inspect(t *testing.T, s string) {
	t.Helper()
	m, err := newMaker(context.Background(), hostile(t, s))
	if err != nil {
		t.Fatalf("%.60q: %v", s, err)
	}
	files, err := m.files()
	if err != nil {
		t.Fatalf("%.60q: %v", s, err)
	}
	names := Names(m.body)
	for _, f := range files {
		text := string(f.content)
		if !slices.Contains(names, f.name) || strings.Contains(f.name, "..") {
			t.Errorf("%.60q: file %q is not among %q", s, f.name, names)
		}
		if len(text) > 300_000 && f.name != JSONName && f.name != CSVName {
			t.Errorf("%.60q: %s has %d bytes", s, f.name, len(text))
		}
		switch {
		case f.name == JSONName || f.name == SARIFName:
			if !json.Valid(f.content) {
				t.Errorf("%.60q: %s is no JSON", s, f.name)
			}
			if f.name == JSONName {
				continue // the figures as they are
			}
		case f.name == HTMLName:
			inspectHTML(t, s, text)
		case f.name == CSVName:
			inspectCSV(t, s, text)
		case f.name == MarkdownName:
			inspectMarkdown(t, s, text)
		default:
			inspectXML(t, s, f.name, text)
		}
		if strings.Contains(text, strings.Repeat("\u0301", maxMarks+1)) {
			t.Errorf("%.60q: %s piles marks up", s, f.name)
		}
		if i := strings.IndexFunc(text, func(r rune) bool {
			return r != '\n' && r != '\r' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r))
		}); i >= 0 {
			t.Errorf("%.60q: %s holds a hidden character at %d: %q", s, f.name, i, text[max(0, i-20):min(len(text), i+20)])
		}
	}
}

// inspectHTML looks for elements and attributes that the report has none of.
func inspectHTML(t *testing.T, s, text string) {
	t.Helper()
	elements := strings.Fields("html head meta title style body h1 h2 h3 p ul li a nav div span strong code pre table thead tbody tr th td details summary svg desc rect path circle text tspan")
	attributes := strings.Fields("lang charset http-equiv content name id class href tabindex scope xmlns width height viewBox viewbox role aria-label x y rx d cx cy r transform text-anchor dx")
	z := html.NewTokenizer(strings.NewReader(text))
	var open []string
	for {
		switch kind := z.Next(); kind {
		case html.ErrorToken:
			if !errors.Is(z.Err(), io.EOF) || len(open) > 0 {
				t.Errorf("%.60q: HTML ends with %v and %q open", s, z.Err(), open)
			}
			return
		case html.CommentToken:
			t.Errorf("%.60q: a comment: %.80q", s, z.Raw())
		case html.StartTagToken, html.SelfClosingTagToken, html.EndTagToken:
			token := z.Token()
			if !slices.Contains(elements, token.Data) {
				t.Errorf("%.60q: element %.80q", s, token.Data)
			}
			for _, a := range token.Attr {
				if !slices.Contains(attributes, a.Key) || a.Key == "href" && !strings.HasPrefix(a.Val, docs) && !strings.HasPrefix(a.Val, "#") {
					t.Errorf("%.60q: attribute %.80q = %.80q", s, a.Key, a.Val)
				}
			}
			switch {
			case kind == html.StartTagToken && token.Data != "meta":
				open = append(open, token.Data)
			case kind == html.EndTagToken && (len(open) == 0 || open[len(open)-1] != token.Data):
				t.Errorf("%.60q: </%s> closes %q", s, token.Data, open)
				return
			case kind == html.EndTagToken:
				open = open[:len(open)-1]
			}
		}
	}
}

func inspectXML(t *testing.T, s, name, text string) {
	t.Helper()
	for dec := xml.NewDecoder(strings.NewReader(text)); ; {
		_, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Errorf("%.60q: %s is no XML: %v", s, name, err)
			return
		}
	}
}

func inspectCSV(t *testing.T, s, text string) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Errorf("%.60q: %v", s, err)
	}
	for _, row := range rows {
		for i, c := range row {
			if texts := []int{0, 1, 2, 3, 4, 10, 15}; slices.Contains(texts, i) && strings.IndexAny(strings.TrimSpace(c), "=+-@") == 0 {
				t.Errorf("%.60q: cell %.60q is a formula", s, c)
			}
		}
	}
}

// inspectMarkdown looks at what a reader of Markdown would take for structure: the
// lines outside fences, without what is escaped or in code.
func inspectMarkdown(t *testing.T, s, text string) {
	t.Helper()
	fence := ""
	for l := range strings.SplitSeq(text, "\n") {
		ticks := l[:len(l)-len(strings.TrimLeft(l, "`"))]
		switch {
		case fence != "":
			if len(ticks) >= len(fence) && strings.Trim(l, "` ") == "" {
				fence = ""
			}
			continue
		case len(ticks) >= 3 && strings.TrimLeft(l, "`") == "text":
			fence = ticks
			continue
		}
		rest := withoutCode(l)
		for _, own := range []string{"<details>", "</details>", "<summary>", "</summary>", "<code>", "</code>", "<strong>", "</strong>", `<span class="soft">`, "</span>"} {
			rest = strings.ReplaceAll(rest, own, "")
		}
		for _, bad := range []string{"<", "](javascript", "](http://", "://", "www."} {
			if i := strings.Index(rest, bad); i >= 0 && !strings.Contains(rest, "]("+docs) && !strings.HasPrefix(l, "<summary>") {
				t.Errorf("%.60q: %q in the line %.200q", s, bad, l)
			}
		}
	}
	if fence != "" {
		t.Errorf("%.60q: a fence is open at the end", s)
	}
}

// withoutCode is a line without its spans of code and without escapes.
func withoutCode(l string) string {
	var b strings.Builder
	for i := 0; i < len(l); i++ {
		switch l[i] {
		case '\\':
			i++
			b.WriteByte('_')
		case '`':
			n := len(l[i:]) - len(strings.TrimLeft(l[i:], "`"))
			end := closing(l[i+n:], n)
			if end < 0 {
				b.WriteString(l[i : i+n])
				i += n - 1
				continue
			}
			i += n + end + n - 1
		default:
			b.WriteByte(l[i])
		}
	}
	return b.String()
}

// closing is where exactly n backticks stand in s.
func closing(s string, n int) int {
	for i := 0; i < len(s); i++ {
		if s[i] != '`' {
			continue
		}
		run := len(s[i:]) - len(strings.TrimLeft(s[i:], "`"))
		if run == n {
			return i
		}
		i += run - 1
	}
	return -1
}
