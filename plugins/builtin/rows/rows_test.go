package rows

import (
	"flag"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/builtin/export"
	"github.com/autosafe/autosafe/plugins/builtin/export/exporttest"
)

var update = flag.Bool("update", false, "write the golden files anew")

const fixture = "../export/testdata/rows.jsonl"

func TestRowsAsGiven(t *testing.T) {
	rows := append(exporttest.Fixture(t, fixture), `{"id":"x","n":12345678901234567890,"x":1.50,"t":"<b>\u00e9"}`, `{}`)
	r := exporttest.Run(t, Component(), `{}`, rows)
	if got := strings.Join(r.Lines(t, "train.jsonl"), "\n"); got != strings.Join(rows, "\n") {
		t.Errorf("the rows changed:\n%s", got)
	}
	if got := r.Files["train.jsonl"].MediaType; got != export.LinesType {
		t.Errorf("media type %q", got)
	}
}

func TestGolden(t *testing.T) {
	r := exporttest.Run(t, Component(), `{}`, exporttest.Fixture(t, fixture), "train", "test", "train")
	exporttest.Golden(t, *update, "train.jsonl", r.Files["train.jsonl"].Content)
	exporttest.Golden(t, *update, "test.jsonl", r.Files["test.jsonl"].Content)
}

// A row that was written over several lines still takes one.
func TestRowsOverLines(t *testing.T) {
	r := exporttest.Run(t, Component(), `{}`, []string{"{\n \"a\": [1,\r\n2]}", "{\n"})
	if got := r.Lines(t, "train.jsonl"); len(got) != 1 || got[0] != `{"a":[1,2]}` {
		t.Errorf("got %q", got)
	}
	if got := r.Reasons(); got != "- invalid_row" {
		t.Errorf("got %s", got)
	}
}

func TestNoRows(t *testing.T) {
	if r := exporttest.Run(t, Component(), `{}`, nil); len(r.Files) != 0 {
		t.Errorf("files of no rows: %v", r.Files)
	}
}
