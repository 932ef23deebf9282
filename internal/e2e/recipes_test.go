package e2e

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/autosafe/autosafe/plugins/builtin/export"
	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
	"github.com/autosafe/autosafe/spec/ots"
)

// recipeOf makes a project of a folder of recipes.
func recipeOf(t testing.TB, server *llmtest.Server, name string) *project {
	t.Helper()
	p := newProject(t, server, nil)
	copyDir(t, p.dir, filepath.Join("..", "..", "recipes", name))
	if err := os.RemoveAll(p.dist()); err != nil { // of a build by hand
		t.Fatal(err)
	}
	return p
}

// TestQuickstart builds recipes/quickstart and reads what it wrote.
func TestQuickstart(t *testing.T) {
	t.Parallel()
	p := recipeOf(t, nil, "quickstart")
	p.plain()
	if r := p.run("fmt", "-check", p.dir); r.code != 0 {
		t.Errorf("the recipe is not in canonical form: %s", r.stdout)
	}
	sum := p.mustBuild().sum
	checkRows(t, p)
	rows := otsRows(t, splitLines(t, p, "rows"))
	if len(rows) < 300 || len(rows) > 1000 {
		t.Errorf("%d rows, want a few hundred", len(rows))
	}
	classes, outcomes, scenarios := map[string]int{}, map[string]int{}, 0
	for _, r := range rows {
		if r.Kind != ots.KindScenario {
			continue
		}
		scenarios++
		classes[string(r.ScenarioClass)]++
		outcomes[r.Outcome]++
	}
	if scenarios < 200 {
		t.Errorf("%d scenarios, want a few hundred", scenarios)
	}
	if len(classes) != 6 {
		t.Errorf("scenario classes %v, want all six", classes)
	}
	for _, o := range ots.Outcomes() {
		if outcomes[o.ID] == 0 {
			t.Errorf("no scenario with the outcome %s", o.ID)
		}
	}
	checkFormats(t, p)
	checkSplit(t, p)
	if len(sum.Outputs) < 4 {
		t.Errorf("%d outputs", len(sum.Outputs))
	}
	p.checkCounts(sum)
	if again := p.mustBuild().sum; strings.Contains(statuses(again), "run") || again.totals() != sum.totals() {
		t.Errorf("a second build ran: %s", statuses(again))
	}
}

// toolEmu is the folder of ToolEmu's toolkits, or of some in their shape
// where it is not at hand.
func toolEmu(t testing.TB) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "data", "toolemu")
	if _, err := os.Stat(filepath.Join(dir, "all_toolkits.json")); err != nil {
		dir = filepath.Join("testdata", "toolemu")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestAutosafe builds recipes/autosafe with ToolEmu's toolkits against an
// endpoint that answers from the request's schema or tools.
func TestAutosafe(t *testing.T) {
	t.Parallel()
	p := recipeOf(t, start(t, llmtest.Options{APIKey: "key-of-" + t.Name()}), "autosafe")
	if r := p.run("fmt", "-check", p.dir); r.code != 0 {
		t.Errorf("the recipe is not in canonical form: %s", r.stdout)
	}
	vars := func(pairs, instructions, samples string) []string {
		return []string{"-var", "toolkits=" + toolEmu(t), "-var", "max_steps=5", "-var", "rounds=6",
			"-var", "pairs=" + pairs, "-var", "instructions=" + instructions, "-var", "samples=" + samples}
	}
	sum := p.mustBuild(vars("3", "8", "2")...).sum

	asked := slices.Sorted(maps.Keys(p.asked()))
	if want := []string{"gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18"}; !slices.Equal(asked, want) {
		t.Errorf("models %q, want %q", asked, want)
	}
	if n := len(p.requests()); int64(n) != sum.Calls.Made {
		t.Errorf("the summary tells of %d calls, the endpoint of %d", sum.Calls.Made, n)
	}
	for _, o := range sum.Outputs {
		if o.Format == "card" { // which tells of rows, and has none
			continue
		}
		if o.Rows == 0 || o.Splits["train"] == 0 || o.Splits["test"] == 0 {
			t.Errorf("%s: %d rows, %v", o.Path, o.Rows, o.Splits)
		}
	}
	checkRows(t, p)
	checkFormats(t, p)
	checkSplit(t, p)
	p.checkCounts(sum)

	// As its README says: beginning small costs nothing more.
	small := p.fresh(t)
	small.key = p.key
	before := len(p.requests())
	small.mustBuild(vars("1", "2", "1")...)
	if n := len(p.requests()) - before; n == 0 || n > before/3 {
		t.Errorf("the small build made %d calls, the large one %d", n, before)
	}
	small.mustBuild(vars("3", "8", "2")...)
	if n := len(p.requests()) - before; n != before {
		t.Errorf("a small build and then a large one made %d calls, the large one alone %d", n, before)
	}
	sameFiles(t, small.dist(), p.dist())
}

// TestReflectPrompt holds the prompt that recipes/autosafe shows to the
// default, so that the recipe does what the method says.
func TestReflectPrompt(t *testing.T) {
	t.Parallel()
	got := readFile(t, filepath.Join("..", "..", "recipes", "autosafe", "prompts", "reflect.tmpl"))
	if got != readFile(t, filepath.Join("..", "..", "plugins", "builtin", "retry", "prompts", "reflection.tmpl")) {
		t.Error("recipes/autosafe/prompts/reflect.tmpl is not the default prompt of reflector \"retry\"")
	}
}

// splitLines reads the lines of an output's files, a file per split.
func splitLines(t testing.TB, p *project, output string) []row {
	t.Helper()
	var rows []row
	for name, text := range files(t, filepath.Join(p.dist(), output)) {
		if filepath.Ext(name) == ".jsonl" {
			rows = append(rows, readRows(t, []byte(text))...)
		}
	}
	return rows
}

// checkRows checks each whole row against the threat model.
func checkRows(t testing.TB, p *project) {
	t.Helper()
	for _, r := range splitLines(t, p, "rows") {
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if problems := ots.CheckJSON(b); len(problems) > 0 {
			t.Errorf("row %s: %v", r["id"], problems)
		}
	}
}

// checkFormats passes every line of the training formats through its
// validator, and looks at what the validators may not.
func checkFormats(t testing.TB, p *project) {
	t.Helper()
	formats := map[string]bool{}
	for file, text := range files(t, p.dist()) {
		if filepath.Base(file) != "autosafe.json" {
			continue
		}
		var manifest struct{ Format string }
		if err := json.Unmarshal([]byte(text), &manifest); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if manifest.Format == "card" {
			continue
		}
		checkFormat(t, filepath.Join(p.dist(), filepath.Dir(file)), manifest.Format)
		formats[manifest.Format] = true
	}
	if !formats["openai_sft"] || !formats["trl_dpo"] {
		t.Errorf("only these formats were written: %v", formats)
	}
	for _, r := range splitLines(t, p, "dpo") {
		if bytes.Equal(r["chosen"], r["rejected"]) {
			t.Errorf("chosen equals rejected: %.300s", r["chosen"])
		}
	}
	checkConversations(t, p)
	checkPrefixes(t, p)
}

// checkFormat passes every line of an output through the validator of its
// format.
func checkFormat(t testing.TB, dir, format string) {
	t.Helper()
	f, ok := export.FormatNamed(format)
	if !ok {
		t.Errorf("%s: there is no validator for %q", dir, format)
		return
	}
	n := 0
	for file, text := range files(t, dir) {
		switch filepath.Ext(file) {
		case ".parquet":
			n++ // whose rows checkCounts counts
		case ".jsonl":
			for line := range strings.Lines(text) {
				n++
				if err := f.Validate([]byte(strings.TrimSuffix(line, "\n"))); err != nil {
					t.Errorf("%s/%s: %v in %.300q", dir, file, err, line)
				}
			}
		}
	}
	if n == 0 {
		t.Errorf("%s holds no rows", dir)
	}
}

// message is a message of the format openai_sft, as far as it is looked at.
type message struct {
	Role      string          `json:"role"`
	Content   json.RawMessage `json:"content"`
	ToolCalls []struct {
		ID       string `json:"id"`
		Function struct {
			Name      string `json:"name"`
			Arguments string `json:"arguments"`
		} `json:"function"`
	} `json:"tool_calls"`
	ToolCallID string `json:"tool_call_id"`
}

// checkConversations checks, without the validators' help, that roles
// alternate, call ids pair and calls fit the tools.
func checkConversations(t testing.TB, p *project) {
	t.Helper()
	for _, r := range splitLines(t, p, "openai") {
		var list []message
		var tools []struct {
			Function struct {
				Name       string          `json:"name"`
				Parameters json.RawMessage `json:"parameters"`
			} `json:"function"`
		}
		if err := json.Unmarshal(r["messages"], &list); err != nil {
			t.Fatal(err)
		}
		if len(r["tools"]) > 0 {
			if err := json.Unmarshal(r["tools"], &tools); err != nil {
				t.Fatal(err)
			}
		}
		schemas := map[string]json.RawMessage{}
		for _, tool := range tools {
			schemas[tool.Function.Name] = tool.Function.Parameters
		}
		open, roles := "", []string{}
		for _, m := range list {
			roles = append(roles, m.Role)
			if m.Role == "tool" && m.ToolCallID != open {
				t.Errorf("a result for call %q, after call %q", m.ToolCallID, open)
			}
			open = ""
			for _, c := range m.ToolCalls {
				open = c.ID
				action := ots.Action{Tool: c.Function.Name, Arguments: json.RawMessage(c.Function.Arguments)}
				tool := ots.Tool{Name: c.Function.Name, Parameters: schemas[c.Function.Name]}
				if problems := ots.CheckAction(action, []ots.Tool{tool}); schemas[c.Function.Name] == nil || len(problems) > 0 {
					t.Errorf("call of %s with %s: %v", c.Function.Name, c.Function.Arguments, problems)
				}
			}
		}
		order := strings.Join(roles, " ")
		for strings.Contains(order, "assistant tool ") {
			order = strings.ReplaceAll(order, "assistant tool ", "")
		}
		if order != "system user assistant" {
			t.Errorf("the roles are %q", roles)
		}
	}
}

// checkPrefixes checks that what the two sides of each pair share is, byte by
// byte, what the row says happened before.
func checkPrefixes(t testing.TB, p *project) {
	t.Helper()
	known := map[string]bool{}
	for _, r := range splitLines(t, p, "rows") {
		known[r.text("instruction")] = true
	}
	prompts := map[string]int{}
	for _, r := range splitLines(t, p, "dpo") {
		var prompt []struct{ Role, Content string }
		if err := json.Unmarshal(r["prompt"], &prompt); err != nil {
			t.Fatal(err)
		}
		user := slices.IndexFunc(prompt, func(m struct{ Role, Content string }) bool { return m.Role == "user" })
		if user < 0 || !known[prompt[user].Content] {
			t.Errorf("a prompt without an instruction of the rows: %.300s", r["prompt"])
		}
		for _, side := range []string{"chosen", "rejected"} {
			var turns []json.RawMessage
			if err := json.Unmarshal(r[side], &turns); err != nil || len(turns) != 1 {
				t.Errorf("%s has %d messages, want the one after the shared prompt", side, len(turns))
			}
		}
		prompts[string(r["prompt"])]++
	}
}

// checkSplit checks, in every output, that no instruction stands in two
// splits.
func checkSplit(t testing.TB, p *project) {
	t.Helper()
	of := map[string]string{} // instruction: split
	for _, split := range []string{"train", "test"} {
		rows := readRows(t, []byte(readFile(t, filepath.Join(p.dist(), "rows", split+".jsonl"))))
		if len(rows) == 0 {
			t.Errorf("the split %s is empty", split)
		}
		for _, r := range rows {
			name := strings.Join(strings.Fields(strings.ToLower(r.text("instruction"))), " ")
			if other, ok := of[name]; ok && other != split {
				t.Errorf("the instruction %q stands in %s and in %s", name, other, split)
			}
			of[name] = split
		}
		for _, output := range []string{"openai", "dpo"} {
			for _, r := range readRows(t, []byte(readFile(t, filepath.Join(p.dist(), output, split+".jsonl")))) {
				list := r["messages"]
				if list == nil {
					list = r["prompt"]
				}
				var messages []struct{ Role, Content string }
				if err := json.Unmarshal(list, &messages); err != nil {
					t.Fatal(err)
				}
				for _, m := range messages {
					name := strings.Join(strings.Fields(strings.ToLower(m.Content)), " ")
					if m.Role == "user" && of[name] != split {
						t.Errorf("%s/%s has an instruction of the split %q", output, split, of[name])
					}
				}
			}
		}
	}
}

// checkCounts compares the summary with the files, and each step's rows with
// what became of them.
func (p *project) checkCounts(s summary) {
	p.t.Helper()
	for _, o := range s.Outputs {
		if o.Format == "card" {
			continue
		}
		n := int64(0)
		for name, text := range files(p.t, o.Path) {
			switch filepath.Ext(name) {
			case ".jsonl":
				n += int64(strings.Count(text, "\n"))
			case ".parquet":
				f, err := parquet.OpenFile(strings.NewReader(text), int64(len(text)))
				if err != nil {
					p.t.Fatal(err)
				}
				n += f.NumRows()
			}
		}
		if n != o.Rows {
			p.t.Errorf("%s: %d rows in the files, %d in the summary", o.Path, n, o.Rows)
		}
	}
	for _, st := range s.Steps {
		if strings.HasPrefix(st.Address, "threat_source.") || strings.HasPrefix(st.Address, "dataset.") {
			continue
		}
		left := st.RowsOut + st.RowsFailed
		for _, n := range st.Dropped {
			left += n
		}
		if st.RowsIn == 0 || left%st.RowsIn != 0 {
			p.t.Errorf("%s: %d rows in, %d out, %d failed, dropped %v: some are not accounted for", st.Address, st.RowsIn, st.RowsOut, st.RowsFailed, st.Dropped)
		}
	}
}
