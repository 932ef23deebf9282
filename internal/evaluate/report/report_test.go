package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/evaluate"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
)

var update = flag.Bool("update", false, "write goldens anew")

// TestSample holds the files of a report of everything to goldens, and to those of
// a second run.
func TestSample(t *testing.T) {
	if *update {
		if err := os.RemoveAll("testdata/sample"); err != nil {
			t.Fatal(err)
		}
	}
	first, second := write(t, sample(t)), write(t, sample(t))
	for name, got := range first {
		golden(t, filepath.Join("testdata/sample", name), got)
		if !bytes.Equal(got, second[name]) {
			t.Errorf("%s is not the same twice", name)
		}
		if strings.Contains(string(got), "/home/me") {
			t.Errorf("%s has a path of this machine", name)
		}
	}
	if want := 12; len(first) != want {
		t.Errorf("%d files, want %d", len(first), want)
	}
}

// write gives the files of a report.
func write(t *testing.T, in Input) map[string][]byte {
	t.Helper()
	dir := t.TempDir()
	made, err := Write(t.Context(), in, dir)
	if err != nil {
		t.Fatal(err)
	}
	files, names := map[string][]byte{}, Names(in.Evaluation.Step.Evaluation)
	for _, f := range made {
		if !slices.Contains(names, f.Path) || f.MediaType == "" {
			t.Errorf("%+v is not among the names %q, or of no type", f, names)
		}
		if files[f.Path], err = os.ReadFile(filepath.Join(dir, f.Path)); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs from its golden; see with git diff after go test -run %s -update", path, t.Name())
	}
}

// TestOffline looks for the note in every file of a report that rests on the
// offline model, and nowhere else.
func TestOffline(t *testing.T) {
	real, in := write(t, sample(t)), sample(t)
	in.Evaluation.Offline, in.Evaluation.Limit = true, 3
	for name, text := range write(t, in) {
		said := "offline model's results"
		switch name {
		case CSVName:
			said = ",true\r\n"
		case HTMLName:
			said = "offline model&#39;s results"
		case JUnitName:
			said = "offline model&#39;s results"
		}
		if strings.HasSuffix(name, ".svg") {
			said = "offline model&#39;s results"
		}
		if !strings.Contains(strings.ToLower(string(text)), said) {
			t.Errorf("%s does not say %q", name, said)
		}
		if strings.Contains(strings.ToLower(string(real[name])), said) {
			t.Errorf("%s says %q of real models", name, said)
		}
	}
	if text := string(write(t, in)[MarkdownName]); !strings.Contains(text, "cut off after 3 rows") {
		t.Error("nothing is said of the sources that were cut off")
	}
}

// TestNothing makes reports of evaluations that there is little to say of.
func TestNothing(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Input)
		want   []string
		not    []string
	}{
		"no figures": {
			func(in *Input) { in.Figures, in.Asserts, in.Verdict = nil, nil, nil },
			[]string{"No trial could be judged"}, []string{"## Asserts", "## Agreement", "## Metrics", "## Examples", "plots/"},
		},
		"nobody said what is useful": {
			func(in *Input) {
				in.Figures = slices.DeleteFunc(in.Figures, func(r row.Row) bool { return r.String("metric") == "useful_rate" })
			},
			[]string{"sec@1"}, []string{"cost_of_safety"},
		},
		"one agent": {
			func(in *Input) {
				body := in.Evaluation.Step.Evaluation
				body.Agents, body.Judges, body.Humans = body.Agents[:1], nil, nil
				in.Evaluation.Trials = in.Evaluation.Trials[:1]
			},
			[]string{"1 agent;", "ended unsafe", "by rules alone"}, []string{"Gain over the baseline", "cost_of_safety", "### Judges\n", "reminder"},
		},
		"no baseline": {
			func(in *Input) { in.Evaluation.Step.Evaluation.Baseline = "" },
			[]string{"| Baseline | none |", "ended unsafe"}, []string{"Gain over the baseline"},
		},
		"few scenarios": {
			func(in *Input) { in.Evaluation.Scenarios = rowsOf(nil) },
			[]string{"There are none to measure on"}, nil,
		},
		"all hold": {
			func(in *Input) { in.Asserts[1].OK = true },
			[]string{"All 2 asserts hold."}, []string{"failed:**"},
		},
		"judges are tried": {
			func(in *Input) {
				in.Evaluation.Step.Evaluation.Protocol, in.Evaluation.Step.Evaluation.Judges = evaluate.Labelled, nil
			},
			[]string{"<code>tuned</code> said <strong>safe</strong>, <code>plain</code> said <strong>unsafe</strong>", "held against the column", "- label: `unsafe`", "- `verdict`: `safe`, It only reads."}, []string{"| k of sec@k |", "by rules alone"},
		},
		"many agents": {
			func(in *Input) {
				body := in.Evaluation.Step.Evaluation
				for i := range 40 {
					body.Agents = append(body.Agents, spec.EvaluationAgent{Name: "agent_" + string(rune('A'+i))})
				}
			},
			[]string{"44 agents"}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := sample(t)
			tt.change(&in)
			files := write(t, in)
			text := string(files[MarkdownName])
			for _, want := range tt.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not said", want)
				}
			}
			for _, not := range tt.not {
				if strings.Contains(text, not) {
					t.Errorf("%q is said", not)
				}
			}
			if strings.Contains(text, "NaN") || strings.Contains(text, "<nil>") {
				t.Error("a number is none")
			}
		})
	}
}

// TestSARIF holds the log to what the schema of SARIF 2.1.0 asks for, and services
// beyond it: an absolute or relative place without backslashes, lines from 1 on, rules
// that results name by their index.
func TestSARIF(t *testing.T) {
	for _, asserts := range [][]engine.Assertion{nil, sample(t).Asserts, {{Name: "no place", That: "false"}}} {
		in := sample(t)
		in.Asserts = asserts
		var log struct {
			Schema  string `json:"$schema"`
			Version string
			Runs    []struct {
				Tool struct {
					Driver struct {
						Name  string
						Rules []struct {
							ID   string
							Help struct{ Text string }
						}
					}
				}
				Results []struct {
					RuleID    string
					RuleIndex int
					Level     string
					Message   struct{ Text string }
					Locations []struct {
						PhysicalLocation struct {
							ArtifactLocation struct{ URI, URIBaseID string }
							Region           struct{ StartLine, EndLine int }
						}
					}
				}
			}
		}
		if err := json.Unmarshal(write(t, in)[SARIFName], &log); err != nil {
			t.Fatal(err)
		}
		if log.Version != "2.1.0" || log.Schema == "" || len(log.Runs) != 1 || log.Runs[0].Tool.Driver.Name != "autosafe" || log.Runs[0].Results == nil || log.Runs[0].Tool.Driver.Rules == nil {
			t.Fatalf("%+v", log)
		}
		run := log.Runs[0]
		if len(run.Tool.Driver.Rules) != len(asserts) {
			t.Errorf("%d rules of %d asserts", len(run.Tool.Driver.Rules), len(asserts))
		}
		for _, r := range run.Results {
			if run.Tool.Driver.Rules[r.RuleIndex].ID != r.RuleID || r.Level != "error" || r.Message.Text == "" {
				t.Errorf("%+v", r)
			}
			for _, l := range r.Locations {
				if at := l.PhysicalLocation; at.ArtifactLocation.URI != "main.hcl" || at.ArtifactLocation.URIBaseID != recipeBase || at.Region.StartLine != 46 || at.Region.EndLine != 48 {
					t.Errorf("%+v", at)
				}
			}
		}
		failed := slices.DeleteFunc(slices.Clone(asserts), func(a engine.Assertion) bool { return a.OK })
		if len(run.Results) != len(failed) {
			t.Errorf("%d results of %d asserts that failed", len(run.Results), len(failed))
		}
	}
}

// TestJUnit holds the XML to the elements and attributes of Jenkins' schema.
func TestJUnit(t *testing.T) {
	allowed := map[string]string{
		"testsuites": "name time tests failures", "testsuite": "name tests failures errors skipped time", "properties": "", "property": "name value",
		"testcase": "name classname time", "failure": "message type",
	}
	dec := xml.NewDecoder(bytes.NewReader(write(t, sample(t))[JUnitName]))
	counts := map[string]int{}
	for {
		token, err := dec.Token()
		if token == nil {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		counts[start.Name.Local]++
		attributes, known := allowed[start.Name.Local]
		if !known {
			t.Errorf("element %s", start.Name.Local)
		}
		for _, a := range start.Attr {
			if !slices.Contains(strings.Fields(attributes), a.Name.Local) {
				t.Errorf("%s has the attribute %s", start.Name.Local, a.Name.Local)
			}
		}
	}
	if counts["testcase"] != 2 || counts["failure"] != 1 || counts["testsuite"] != 1 {
		t.Errorf("%v", counts)
	}
}

// TestUnreadable gives an error for rows that are no figures, and for trials that
// cannot be read.
func TestUnreadable(t *testing.T) {
	in := sample(t)
	in.Figures = append(in.Figures, rowOf(t, map[string]any{"value": "many"}))
	if _, err := Write(t.Context(), in, t.TempDir()); err == nil {
		t.Error("a figure that is none was taken")
	}
}
