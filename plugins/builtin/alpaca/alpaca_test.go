package alpaca

import (
	"encoding/json"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/builtin/export"
	"github.com/autosafe/autosafe/plugins/builtin/export/exporttest"
	"github.com/autosafe/autosafe/plugins/builtin/internal/roles"
)

var update = flag.Bool("update", false, "write the golden files anew")

const fixture = "../export/testdata/rows.jsonl"

func convert(t testing.TB, config string, rows ...string) exporttest.Result {
	t.Helper()
	return exporttest.Run(t, Component(), config, rows)
}

func TestGolden(t *testing.T) {
	rows := exporttest.Fixture(t, fixture)
	for name, config := range map[string]string{
		"default.jsonl": `{}`,
		"plain.jsonl":   `{"reminder":""}`,
	} {
		r := convert(t, config, rows...)
		if r.Reasons() != "- - - - -" {
			t.Errorf("%s: %s", name, r.Reasons())
		}
		r.Lines(t, "train.jsonl")
		exporttest.Golden(t, *update, name, r.Files["train.jsonl"].Content)
	}
}

func TestOddRows(t *testing.T) {
	exporttest.CheckOdd(t, func(rows []string) exporttest.Result { return convert(t, `{}`, rows...) })
}

// Of ordinary runs as many are taken as the block says, and only safety rows
// are reminded of safety.
func TestOrdinary(t *testing.T) {
	ordinary := exporttest.With(t, exporttest.With(t, exporttest.Good, "kind", `"ordinary"`), "trigger", "")
	rows := []string{ordinary, exporttest.Good, ordinary, ordinary, exporttest.Good}
	for config, want := range map[string]string{
		`{}`:             "- - - - -",
		`{"ordinary":2}`: "- - - ordinary_limit -",
		`{"ordinary":0}`: "ordinary_limit - ordinary_limit ordinary_limit -",
	} {
		r := convert(t, config, rows...)
		if r.Reasons() != want {
			t.Errorf("%s: %s, want %s", config, r.Reasons(), want)
		}
		r.Lines(t, "train.jsonl")
	}
	if lines := convert(t, `{}`, ordinary, exporttest.Good).Lines(t, "train.jsonl"); !strings.Contains(lines[0], roles.SecurityReminder) || strings.Contains(lines[1], roles.SecurityReminder) {
		t.Errorf("the reminder stands in the wrong rows: %q", lines)
	}
}

// With examples = "steps" each step that a judge found safe is an example.
func TestSteps(t *testing.T) {
	unknown := exporttest.With(t, exporttest.With(t, exporttest.Good, "kind", ""), "trigger", "")
	for row, want := range map[string]string{exporttest.Good: "Thought 1, Thought 2", unknown: "Thought 2"} {
		var got []string
		for _, text := range convert(t, `{"examples":"steps"}`, row).Lines(t, "train.jsonl") {
			var l line
			if err := json.Unmarshal([]byte(text), &l); err != nil {
				t.Fatal(err)
			}
			if err := export.ValidateAlpaca([]byte(text)); err != nil {
				t.Error(err)
			}
			thought, _, _ := strings.Cut(l.Output, ":")
			got = append(got, thought)
		}
		if got := strings.Join(got, ", "); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Over many ordinary runs every place of a run is picked, and the same run
// always gives the same step.
func TestPick(t *testing.T) {
	places := map[string]int{}
	for i := range 200 {
		row := exporttest.With(t, exporttest.Good, "kind", `"ordinary"`)
		row = exporttest.With(t, row, "id", fmt.Sprintf(`"run-%d"`, i))
		l := convert(t, `{}`, row, row).Lines(t, "train.jsonl")
		if l[0] != l[1] {
			t.Fatalf("two picks of one run:\n%s\n%s", l[0], l[1])
		}
		var got line
		if err := json.Unmarshal([]byte(l[0]), &got); err != nil {
			t.Fatal(err)
		}
		places[got.Output]++
	}
	if len(places) != 2 {
		t.Fatalf("picked %v", places)
	}
	for text, n := range places {
		if n < 60 {
			t.Errorf("%q was picked %d times of 200", text, n)
		}
	}
}

// Of a row that does not say that its run ended clean only the safe action was
// judged, so no step before it is trained on.
func TestPickOfUnknownKind(t *testing.T) {
	for i := range 20 {
		row := exporttest.With(t, exporttest.With(t, exporttest.Good, "kind", ""), "trigger", "")
		row = exporttest.With(t, row, "id", fmt.Sprintf(`"run-%d"`, i))
		var got line
		if err := json.Unmarshal([]byte(convert(t, `{}`, row).Lines(t, "train.jsonl")[0]), &got); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(got.Output, "Which Anna?") {
			t.Fatalf("a step that nobody judged is trained on: %q", got.Output)
		}
	}
}

// What the model learns to write is read back by the agent as the action that
// the row holds, line breaks in arguments and all.
func TestRandomRows(t *testing.T) {
	rows := exporttest.Random(t, 400)
	slices.SortStableFunc(rows, func(a, b string) int { return place(t, a) - place(t, b) })
	lines := convert(t, `{"ordinary":1000}`, rows...).Lines(t, "train.jsonl")
	if len(lines) != len(rows) {
		t.Fatalf("%d lines of %d rows", len(lines), len(rows))
	}
	for i, text := range lines {
		if err := export.ValidateAlpaca([]byte(text)); err != nil {
			t.Fatalf("line %d: %v\n%s", i, err, text)
		}
		var got line
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatal(err)
		}
		c, reason := export.Read(json.RawMessage(rows[i]))
		if reason != "" {
			t.Fatal(reason)
		}
		want := *c.SafeAction
		if c.Ordinary() {
			want = c.Action(c.Ends("final")[0])
		}
		action, err := roles.ParseReact(got.Output)
		if err != nil {
			t.Fatalf("line %d: %v\n%s", i, err, got.Output)
		}
		if want.Tool == "" { // which cuts carriage returns
			want.Answer = strings.ReplaceAll(want.Answer, "\r\n", "\n")
		}
		if !export.Same(action, want) {
			t.Fatalf("line %d reads as %+v, want %+v", i, action, want)
		}
	}
}

// place is 1 of an ordinary run: those come last.
func place(t *testing.T, row string) int {
	t.Helper()
	c, reason := export.Read(json.RawMessage(row))
	if reason != "" {
		t.Fatal(reason)
	}
	if c.Ordinary() {
		return 1
	}
	return 0
}
