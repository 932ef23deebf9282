package engine

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// fullStep is a role step with every field set.
func fullStep() *spec.Step {
	f := func(v float64) *float64 { return &v }
	return &spec.Step{
		Address: "simulator.trajectory.x", Kind: spec.RoleStep, Name: "x", Range: hcl.Range{Filename: "a.hcl"},
		OnError: spec.OnErrorDrop, MaxFailures: 3, Seed: 7, Generation: 2,
		Role: &spec.RoleBody{
			Plugin:    spec.PluginRef{Name: "acme", Source: "example.test/acme", Version: "1.2.3", Path: "/bin/acme", Digest: "d1"},
			Component: &schema.Component{Role: schema.Simulator, Name: "trajectory", Doc: "d"},
			Config:    []byte(`{"prompt":"p","timeout":3}`),
			KeyConfig: []spec.ConfigPart{{Name: "prompt", Value: []byte("p")}},
			Models: map[string]*spec.Model{"agent": {
				Name: "label", ID: "m-1", Temperature: f(0.5), TopP: f(0.9), MaxTokens: 100, Stop: []string{"x"},
				FrequencyPen: f(0.1), PresencePen: f(0.2), ReasoningEffort: "low", Structured: spec.StructuredSchema, ReplyRetries: 2,
				Price: &spec.Price{Input: 1, Output: 2},
				Provider: &spec.Provider{Type: spec.ProviderOpenAI, Name: "main", BaseURL: "http://a.test/v1", APIKey: spec.NewSecret("secret"),
					Organization: "org", Headers: map[string]string{"x": "y"}, Seed: 3, Limits: spec.Limits{Concurrency: 4}, Timeout: time.Second, Retries: 5},
			}},
			Files:       map[string][]schema.File{"path": {{Name: "data/a.json", Path: "/abs/data/a.json"}}},
			Samples:     5,
			RowMap:      []spec.RowMapping{{Column: "c", Expr: mustExpr("1 + 1")}},
			Reads:       []string{"instruction", "tools"},
			BlockColumn: "x",
		},
	}
}

func mustExpr(text string) *spec.Expr { return mustExprOver(text, spec.Columns{Open: true}) }

// oneContent is the digest of every file in these tests.
func oneContent(string) (cache.Digest, error) { return cache.Sum([]byte("content")), nil }

func stepDigest(t *testing.T, s *spec.Step) cache.Digest {
	t.Helper()
	base, err := baseParts(s, oneContent)
	if err != nil {
		t.Fatal(err)
	}
	return cache.Digest(stepKey(base, cache.Sum(nil), s.Role).Digest())
}

// notInKey lists every field that stands in no step key, with the reason. A
// field that is in neither this list nor the key fails the test.
var notInKey = map[string]string{
	"Step.Address":            "a renamed block is the same work",
	"Step.Kind":               "follows from Role",
	"Step.Name":               "a renamed block is the same work",
	"Step.Inputs":             "their content is in the key, not their key",
	"Step.Columns":            "follows from the component and the input",
	"Step.Range":              "where a block stands is not what it does",
	"Step.OnError":            "checked against the record's counts",
	"Step.MaxFailures":        "checked against the record's counts",
	"Step.Role":               "taken apart below",
	"RoleBody.Plugin":         "taken apart below",
	"RoleBody.Component":      "taken apart below",
	"Step.Distill":            "distill steps have a key of their own",
	"Step.Dataset":            "outputs have keys of their own",
	"Step.Finetune":           "what counts of it stands in the row of its input; see TestFinetuneKeys",
	"Step.Evaluation":         "evaluation steps have a key of their own",
	"Step.After":              "the models that they make are in the key, by name",
	"Component.Formats":       "the format that was chosen stands in the row of the input",
	"Component.Trainer":       "follows from the code",
	"Model.Tuned":             "by the time that a key is made the model has its name",
	"RoleBody.Config":         "KeyConfig is the part that counts",
	"RoleBody.value":          "where a block stands is not what it does",
	"PluginRef.Name":          "a local name",
	"PluginRef.Version":       "the digest, or the behaviour version, says it better",
	"PluginRef.Path":          "where the binary lies",
	"PluginRef.Grant":         "its files are RoleBody.Granted; what the network and the environment hold is not known",
	"Component.Doc":           "only words",
	"Component.Config":        "the evaluated configuration counts",
	"Component.Reads":         "RoleBody.Reads is what is read",
	"Component.ReadsAll":      "RoleBody.ReadsAll is what is read",
	"Component.Writes":        "follows from the code",
	"Component.WritesOpen":    "follows from the code",
	"Component.Deterministic": "a promise about the code, not its code",
	"Component.Calls":         "only for estimates",
	"Model.Name":              "a label",
	"Model.Range":             "where it stands",
	"Model.Replicas":          "share the first one's identity",
	"Model.Mode":              "how calls travel",
	"Model.Batch":             "how calls travel",
	"Model.Price":             "does not change an answer",
	"Provider.Name":           "a label",
	"Provider.APIKey":         "a secret",
	"Provider.Organization":   "who pays",
	"Provider.Project":        "who pays",
	"Provider.APIVersion":     "the protocol, not the model",
	"Provider.Headers":        "secrets",
	"Provider.Query":          "secrets",
	"Provider.Proxy":          "the way there",
	"Provider.CA":             "the way there",
	"Provider.Weight":         "which replica, not what",
	"Provider.Outage":         "how patient, not what",
	"Provider.Seed":           "only the offline provider has one; see TestOfflineSeed",
	"Provider.Limits":         "how fast, not what",
	"Provider.Timeout":        "how patient, not what",
	"Provider.Retries":        "how patient, not what",
	"Provider.Missing":        "about secrets",
	"File.Path":               "where the recipe lies; the content counts",
}

// TestEveryFieldIsInTheKey changes one field after the other and expects
// another key, unless the field is listed.
func TestEveryFieldIsInTheKey(t *testing.T) {
	base := stepDigest(t, fullStep())
	seen := map[string]bool{}
	for _, typ := range []struct {
		name string
		get  func(*spec.Step) reflect.Value
	}{
		{"Step", func(s *spec.Step) reflect.Value { return reflect.ValueOf(s) }},
		{"RoleBody", func(s *spec.Step) reflect.Value { return reflect.ValueOf(s.Role) }},
		{"PluginRef", func(s *spec.Step) reflect.Value { return reflect.ValueOf(&s.Role.Plugin) }},
		{"Component", func(s *spec.Step) reflect.Value { return reflect.ValueOf(s.Role.Component) }},
		{"ConfigPart", func(s *spec.Step) reflect.Value { return reflect.ValueOf(&s.Role.KeyConfig[0]) }},
		{"RowMapping", func(s *spec.Step) reflect.Value { return reflect.ValueOf(&s.Role.RowMap[0]) }},
		{"Model", func(s *spec.Step) reflect.Value { return reflect.ValueOf(s.Role.Models["agent"]) }},
		{"Provider", func(s *spec.Step) reflect.Value { return reflect.ValueOf(s.Role.Models["agent"].Provider) }},
		{"File", func(s *spec.Step) reflect.Value { return reflect.ValueOf(&s.Role.Files["path"][0]) }},
	} {
		n := typ.get(fullStep()).Elem().NumField()
		for i := range n {
			step := fullStep()
			v := typ.get(step).Elem()
			name := typ.name + "." + v.Type().Field(i).Name
			seen[name] = true
			_, excluded := notInKey[name]
			if !v.Field(i).CanSet() || !mutate(v.Field(i)) {
				if !excluded {
					t.Errorf("%s: in neither the key nor the list", name)
				}
				continue
			}
			if changed := stepDigest(t, step) != base; changed == excluded {
				t.Errorf("%s: changes the key: %v; listed as not in it: %v", name, changed, excluded)
			}
		}
	}
	for name := range notInKey {
		if !seen[name] {
			t.Errorf("%s is listed, but there is no such field", name)
		}
	}
}

// mutate gives a value another one of its type; false if it does not know how.
func mutate(v reflect.Value) bool {
	switch x := v.Addr().Interface().(type) {
	case **spec.Expr:
		*x = mustExpr("2 + 2")
		return true
	case *spec.Secret:
		*x = spec.NewSecret("another")
		return true
	case *map[string]*spec.Model:
		*x = map[string]*spec.Model{"judge": (*x)["agent"]}
		return true
	case *[][]schema.File:
		*x = append(*x, nil)
		return true
	case *map[string][]schema.File:
		*x = map[string][]schema.File{"other": (*x)["path"]}
		return true
	case **spec.Provider:
		*x = &spec.Provider{Type: spec.ProviderOpenAI, BaseURL: "http://other.test"}
		return true
	case *map[string]json.RawMessage:
		*x = map[string]json.RawMessage{"top_k": json.RawMessage("1")}
		return true
	case *spec.ToolForm:
		*x = spec.ToolsJSON
		return true
	case **float64:
		other := 0.25
		*x = &other
		return true
	case **spec.RoleBody, **spec.Price, **schema.Component:
		return reflectZero(v)
	}
	switch v.Kind() {
	case reflect.String:
		if v.Type() == reflect.TypeFor[spec.ProviderType]() {
			v.SetString(string(spec.ProviderOffline))
			return true
		}
		v.SetString(v.String() + "x")
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + 1)
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Slice:
		if v.Len() == 0 {
			return false
		}
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes(append([]byte("x"), v.Bytes()...))
			return true
		}
		v.Set(v.Slice(0, v.Len()-1))
	default:
		return false
	}
	return true
}

// reflectZero clears what can be nil without taking the step apart.
func reflectZero(v reflect.Value) bool {
	if v.Type() != reflect.TypeFor[*spec.Price]() {
		return false
	}
	v.SetZero()
	return true
}

// What a recipe leaves open has the keys that it had before there was a choice.
func TestOpenFormsKeepTheirKeys(t *testing.T) {
	base := stepDigest(t, fullStep())
	for _, form := range []spec.ToolForm{spec.ToolsAuto, spec.ToolsNative} {
		step := fullStep()
		m := step.Role.Models["agent"]
		m.Structured, m.ToolForm, m.Mode = spec.StructuredAuto, form, spec.ModeLive
		if stepDigest(t, step) != base {
			t.Errorf("the key differs with tool_form %q", form)
		}
	}
}

func TestFileContentIsInTheKey(t *testing.T) {
	other := func(string) (cache.Digest, error) { return cache.Sum([]byte("other")), nil }
	base, err := baseParts(fullStep(), other)
	if err != nil {
		t.Fatal(err)
	}
	if cache.Digest(stepKey(base, cache.Sum(nil), fullStep().Role).Digest()) == stepDigest(t, fullStep()) {
		t.Error("the content of a file is not in the key")
	}
}

func TestOfflineSeed(t *testing.T) {
	step := func(seed int64) *spec.Step {
		s := fullStep()
		s.Role.Models["agent"].Provider = &spec.Provider{Type: spec.ProviderOffline, Seed: seed}
		return s
	}
	if stepDigest(t, step(1)) == stepDigest(t, step(2)) {
		t.Error("the offline model's seed is not in the key")
	}
}

// TestGoldenKeys pins the keys of one step, row, distill and output. If it
// fails, every user's cache becomes worthless with this change: raise the tag
// and say so in the changelog, or find another way.
func TestGoldenKeys(t *testing.T) {
	s := fullStep()
	base, err := baseParts(s, oneContent)
	if err != nil {
		t.Fatal(err)
	}
	seed := int64(4)
	distill := &spec.Step{Kind: spec.DistillStep, Seed: 9, Distill: []*spec.Op{
		{Kind: spec.OpFilter, Name: "a", Keep: mustExpr("row.x == 1")},
		{Kind: spec.OpDedupe, Name: "b", By: mustExpr("row.y"), Similarity: 0.9},
		{Kind: spec.OpBalance, Name: "c", By: mustExpr("row.z"), Max: 3, Seed: &seed},
		{Kind: spec.OpSample, Name: "d", N: 5},
	}}
	data := &spec.DatasetBody{Split: &spec.Split{By: mustExpr("row.x"), Ratios: []spec.Ratio{{Name: "train", Share: 0.9}, {Name: "test", Share: 0.1}}, Seed: 7}}
	out := &spec.OutputBody{Path: "dist", Role: spec.RoleBody{Plugin: spec.PluginRef{Source: "builtin"}, ReadsAll: true,
		Component: &schema.Component{Role: schema.Output, Name: "rows", BehaviorVersion: "1"}}}
	output, err := outputKey(data, out, true, cache.Sum(nil), oneContent)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	step := stepKey(base, cache.Sum(nil), s.Role)
	for _, p := range step {
		fmt.Fprintf(&b, "%-16s %q\n", p.Name, p.Value)
	}
	fmt.Fprintf(&b, "step    %x\n", step.Digest())
	fmt.Fprintf(&b, "row     %s\n", newRowKeys(base).key(cache.Sum([]byte("{}")), 1))
	fmt.Fprintf(&b, "distill %x\n", distillKey(distillBase(distill), cache.Sum(nil)).Digest())
	fmt.Fprintf(&b, "output  %x\n", output.Digest())
	goldenKeys(t, "keys.golden", b.String())
}

// goldenKeys compares what is derived now with what is kept.
func goldenKeys(t *testing.T, name, text string) {
	t.Helper()
	golden := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), text); d != "" {
		t.Errorf("keys changed (-want +got):\n%s", d)
	}
}

// TestOpNamesAreInNoKey renames operations and expects the same key.
func TestOpNamesAreInNoKey(t *testing.T) {
	step := func(name string) *spec.Step {
		return &spec.Step{Kind: spec.DistillStep, Distill: []*spec.Op{{Kind: spec.OpLimit, Name: name, Max: 3}}}
	}
	if distillKey(distillBase(step("a")), cache.Sum(nil)).Digest() != distillKey(distillBase(step("b")), cache.Sum(nil)).Digest() {
		t.Error("the name of an operation is in the key")
	}
}

func FuzzRowRecord(f *testing.F) {
	r, err := row.Parse([]byte(`{"a":1}`))
	if err != nil {
		f.Fatal(err)
	}
	rec := &rowRecord{rows: []row.Row{r}, dropped: "x", calls: []string{"c"}, err: &RowError{Code: "e"}}
	b, err := rec.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	rec.err, rec.mark = nil, 7
	if b, err = rec.encode(); err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		rec, err := decodeRowRecord(b)
		if err != nil {
			return
		}
		again, err := rec.encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := decodeRowRecord(again)
		if err != nil || !reflect.DeepEqual(rec, back) {
			t.Fatalf("%+v became %+v: %v", rec, back, err)
		}
	})
}

// What a plugin may read is in the key: names and contents, and not where it is.
func TestGrantedFiles(t *testing.T) {
	digestOf := func(files []schema.File, content string) cache.Digest {
		step := fullStep()
		step.Role.Granted = [][]schema.File{files}
		base, err := baseParts(step, func(string) (cache.Digest, error) { return cache.Sum([]byte(content)), nil })
		if err != nil {
			t.Fatal(err)
		}
		return base.Digest()
	}
	a := digestOf([]schema.File{{Name: "a", Path: "/x/a"}}, "content")
	if digestOf([]schema.File{{Name: "a", Path: "/elsewhere/a"}}, "content") != a {
		t.Error("where a granted folder is changes the key")
	}
	for name, other := range map[string]cache.Digest{
		"content": digestOf([]schema.File{{Name: "a", Path: "/x/a"}}, "other content"),
		"name":    digestOf([]schema.File{{Name: "b", Path: "/x/a"}}, "content"),
		"none":    digestOf(nil, "content"),
	} {
		if other == a {
			t.Errorf("%s: the key is the same", name)
		}
	}
}
