package e2e

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

// rounds multiplies the rounds of the tests that damage, kill and race.
var rounds = flag.Float64("e2e.rounds", 1, "multiplies the rounds of tests that kill builds and damage caches")

func roundsOf(n int) int { return max(1, int(float64(n)**rounds)) }

// smallRecipe asks two models about each row of a file, one after the other.
// VERSION is a label, which the steady endpoint does not look at: another one
// buys every call again, and the rows stay what they were.
const smallRecipe = `
provider "openai" "main" {
  base_url = env("OPENAI_BASE_URL")
  api_key  = env("OPENAI_API_KEY")
  retries  = 0

  limits {
    concurrency = 8
  }
}

model "critic" {
  provider = provider.openai.main
  name     = "critic"
  price {
    input  = 1000
    output = 1000
  }
}

model "second" {
  provider = provider.openai.main
  name     = "second"
  price {
    input  = 1000
    output = 1000
  }
}

threat_source "jsonl" "asks" {
  path = "asks.jsonl"
}

judge "rubric" "quality" {
  input  = threat_source.jsonl.asks
  model  = model.critic
  prompt = "«VERSION» How good is this? {{ .row.instruction }}"
}

judge "rubric" "clarity" {
  input  = judge.rubric.quality
  model  = model.second
  prompt = "«VERSION» How clear is this, of quality {{ .row.quality.score }}? {{ .row.instruction }}"
}

distill "good" {
  input = judge.rubric.clarity
  filter "score" {
    keep = "row.quality.score >= 1"
  }
}

dataset "all" {
  input = distill.good
  split {
    by     = "row.instruction"
    ratios = { train = 0.7, test = 0.3 }
  }
  output "rows" {
    path = "dist/rows"
  }
}
`

// small makes a project of the small recipe with n rows, with the binary that
// does not look for races.
func small(t testing.TB, server *llmtest.Server, n int) *project {
	t.Helper()
	p := newProject(t, server, map[string]string{recipe: smallRecipe, "asks.jsonl": numbered(n)})
	p.plain()
	return p
}

// version gives every call of a small project another label.
func (p *project) version(v string) {
	p.write(recipe, strings.ReplaceAll(smallRecipe, "VERSION", v))
}

// numbered are n rows.
func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"instruction":"Ask number %d.","number":%d}`+"\n", i, i)
	}
	return b.String()
}

func sum(m map[string]int) (n int) {
	for _, c := range m {
		n += c
	}
	return n
}
