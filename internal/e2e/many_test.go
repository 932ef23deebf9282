package e2e

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

const rubricRecipe = `
provider "openai" "main" {
  base_url = env("OPENAI_BASE_URL")
  api_key  = env("OPENAI_API_KEY")
}

model "critic" {
  provider = provider.openai.main
  name     = "critic"
}

threat_source "jsonl" "asks" {
  path = "asks.jsonl"
}

judge "rubric" "quality" {
  input  = threat_source.jsonl.asks
  model  = model.critic
  prompt = "How good is this? {{ .row.instruction }}"
}

distill "good" {
  input = judge.rubric.quality
  filter "score" {
    keep = "row.quality.score >= 2"
  }
}

dataset "all" {
  input = distill.good
  output "rows" {
    path = "dist/rows"
  }
}
`

// TestManyRows takes some thousand long rows through a judge and a filter:
// their order is kept, memory stays below what they weigh, the reply's column
// is called as its block, and another name for the block buys nothing.
func TestManyRows(t *testing.T) {
	t.Parallel()
	const n, weight = 2500, 16 << 10
	var b strings.Builder
	padding := strings.Repeat("long ", weight/5)
	for i := range n {
		fmt.Fprintf(&b, `{"instruction":"Ask number %d.","number":%d,"padding":"%s"}`+"\n", i, i, padding)
	}
	p := newProject(t, start(t, llmtest.Options{}), map[string]string{recipe: rubricRecipe, "asks.jsonl": b.String()})
	p.plain()
	built := p.mustBuild()
	sum := built.sum
	wantAsked(t, p, map[string]int{"critic": n})
	st := sum.step(t, "judge.rubric.quality")
	good := sum.step(t, "distill.good")
	if st.RowsIn != n || st.RowsOut != n || good.RowsOut+good.Dropped["filter.score"] != n || good.RowsOut < n/4 || good.RowsOut > 3*n/4 {
		t.Errorf("judge %+v\nfilter %+v", st, good)
	}
	last := -1
	rows := readRows(t, []byte(readFile(t, filepath.Join(p.dist(), "rows", "train.jsonl"))))
	for _, r := range rows {
		var number int
		var quality struct {
			Score  int
			Reason string
		}
		if json.Unmarshal(r["number"], &number) != nil || json.Unmarshal(r["quality"], &quality) != nil || quality.Score < 2 || quality.Reason == "" {
			t.Fatalf("row %s: quality %s", r["number"], r["quality"])
		}
		if number <= last {
			t.Fatalf("row %d comes after row %d", number, last)
		}
		last = number
	}
	if int64(len(rows)) != good.RowsOut {
		t.Errorf("%d rows, want %d", len(rows), good.RowsOut)
	}
	// The rows weigh 40 MB and pass through four steps.
	if built.peak > 400<<20 {
		t.Errorf("%d MB of memory for %d MB of rows", built.peak>>20, n*weight>>20)
	}

	p.key += "-renamed"
	p.write(recipe, strings.NewReplacer(`"quality"`, `"merit"`, "rubric.quality", "rubric.merit", "row.quality", "row.merit").Replace(rubricRecipe))
	renamed := p.mustBuild().sum
	wantAsked(t, p, nil)
	if got := renamed.step(t, "distill.good").RowsOut; got != good.RowsOut {
		t.Errorf("%d rows after the block was renamed, want %d", got, good.RowsOut)
	}
	for _, r := range readRows(t, []byte(readFile(t, filepath.Join(p.dist(), "rows", "train.jsonl")))) {
		if r["merit"] == nil || r["quality"] != nil {
			t.Fatalf("columns quality %s, merit %s", r["quality"], r["merit"])
		}
	}
}
