package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

const rephraseRecipe = `
autosafe {
  required_plugins {
    acme = { source = "example.com/acme/autosafe-plugin-acme" }
  }
}

provider "openai" "main" {
  base_url = env("OPENAI_BASE_URL")
  api_key  = env("OPENAI_API_KEY")
}

model "writer" {
  provider = provider.openai.main
  name     = "writer"
}

threat_source "jsonl" "asks" {
  path = "asks.jsonl"
}

simulator "acme_rephrase" "said" {
  input = threat_source.jsonl.asks
  model = model.writer
}

dataset "all" {
  input = simulator.acme_rephrase.said
  output "rows" {
    path = "dist/rows"
  }
}
`

// asks are lines of a source, one instruction each.
func asks(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"instruction":"Ask number %d."}`+"\n", i)
	}
	return b.String()
}

// buildPlugin builds testdata/plugin and puts it where the recipe's folder
// looks for plugins.
func (p *project) buildPlugin(tags string) string {
	p.t.Helper()
	to := filepath.Join(p.dir, ".autosafe", "plugins", "autosafe-plugin-acme")
	if err := os.RemoveAll(to); err != nil {
		p.t.Fatal(err)
	}
	out, err := exec.Command("go", "build", "-tags", tags, "-o", to, "./testdata/plugin").CombinedOutput()
	if err != nil {
		p.t.Fatalf("go build: %v\n%s", err, out)
	}
	return to
}

// TestPluginsCode changes a plugin's code: its rows run again, and since what
// they ask is as before, nothing is bought again. A row that changes in the
// source buys its own call alone.
func TestPluginsCode(t *testing.T) {
	t.Parallel()
	const n = 20
	p := newProject(t, start(t, llmtest.Options{}), map[string]string{recipe: rephraseRecipe, "asks.jsonl": asks(n)})
	p.buildPlugin("version1")
	p.mustBuild()
	wantAsked(t, p, map[string]int{"writer": n})
	wantSaid(t, p, "one: ")

	t.Run("built again from equal code", func(t *testing.T) {
		q := p.fork(t)
		q.buildPlugin("version1")
		wantIdle(t, q, q.mustBuild().sum)
	})
	t.Run("a row of the source", func(t *testing.T) {
		q := p.fork(t)
		q.edit("asks.jsonl", "number 7.", "number seven.")
		sum := q.mustBuild().sum
		wantAsked(t, q, map[string]int{"writer": 1})
		if st := sum.step(t, "simulator.acme_rephrase.said"); st.RowsHit != n-1 {
			t.Errorf("%d rows were known, want %d", st.RowsHit, n-1)
		}
	})
	t.Run("other code", func(t *testing.T) {
		q := p.fork(t)
		q.buildPlugin("version2")
		sum := q.mustBuild().sum
		wantAsked(t, q, nil)
		wantSaid(t, q, "two: ")
		if st := sum.step(t, "simulator.acme_rephrase.said"); st.RowsHit != 0 || st.Calls.Cached != n {
			t.Errorf("%d rows and %d calls were known, want 0 and %d", st.RowsHit, st.Calls.Cached, n)
		}
		// And back: both results are there.
		q.buildPlugin("version1")
		if back := q.mustBuild().sum; back.step(t, "simulator.acme_rephrase.said").Status != "hit" {
			t.Errorf("after going back: %s", statuses(back))
		}
		wantAsked(t, q, nil)
		wantSaid(t, q, "one: ")
	})
}

func wantSaid(t testing.TB, p *project, mark string) {
	t.Helper()
	rows := readRows(t, []byte(readFile(t, filepath.Join(p.dist(), "rows", "train.jsonl"))))
	if len(rows) == 0 {
		t.Fatal("there are no rows")
	}
	for _, r := range rows {
		var said string
		if err := json.Unmarshal(r["said"], &said); err != nil || !strings.HasPrefix(said, mark) {
			t.Fatalf("said %s, want %q at its beginning", r["said"], mark)
		}
	}
}
