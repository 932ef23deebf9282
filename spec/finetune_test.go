package spec

import (
	"os"
	"path/filepath"
	"testing"
)

const finetuned = `
provider "openai" "main" {
  base_url = "https://api.example.com/v1"
  api_key  = "key-0123456789"
}

threat_source "catalog" "pairs" {}

dataset "d" {
  input = threat_source.catalog.pairs

  split {
    by     = "row.domain"
    ratios = { train = 0.9, test = 0.1 }
  }
  output "rows" {
    path = "dist/rows"
  }
  output "openai_sft" {
    path = "dist/openai"
  }
}

finetune "openai" "agent" {
  for_each   = { small = "m-small", large = "m-large" }
  input      = dataset.d
  validation = "test"
  provider   = provider.openai.main
  base_model = each.value
  price {
    training = 3
    input    = 1
    output   = 2
  }
}

finetune "trl" "local" {
  input       = dataset.d
  provider    = provider.openai.main
  name        = "mine"
  base_model  = "m"
  path        = "models/local"
  command     = ["python3", "-u"]
  environment = ["HF_TOKEN"]
}

finetune "trl" "unserved" {
  input      = dataset.d
  base_model = "m"
  path       = "models/unserved"
  command    = ["python3"]
}

model "warm" {
  provider    = finetune.openai.agent["large"]
  temperature = 1
}

judge "rubric" "direct" {
  input = threat_source.catalog.pairs
  model = finetune.openai.agent["small"]
}

judge "rubric" "warm" {
  input = judge.rubric.direct
  model = model.warm
}

judge "rubric" "local" {
  input = judge.rubric.warm
  model = finetune.trl.local
}
`

// A finetune block finds its output, and the steps that use its model come after
// it, whichever way they refer to it.
func TestFinetune(t *testing.T) {
	dir := t.TempDir()

	if err := os.WriteFile(filepath.Join(dir, "recipe.hcl"), []byte(finetuned), 0o666); err != nil {
		t.Fatal(err)
	}
	src, diags := Parse(dir)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	r, diags := src.Decode(Options{Registry: fakeRegistry{}, Version: "0.1.0"})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	steps := map[string]*Step{}
	at := map[*Step]int{}
	for i, s := range r.Steps {
		steps[s.Address], at[s] = s, i
	}
	small, large, local := steps[`finetune.openai.agent["small"]`], steps[`finetune.openai.agent["large"]`], steps["finetune.trl.local"]
	if f := small.Finetune; f.Output.Role.Component.Name != "openai_sft" || f.Train != "train" || f.Validation != "test" || f.Provider.Name != "main" || *f.TrainingPrice != 3 {
		t.Errorf("%+v", f)
	}
	if f := local.Finetune; f.Output.Role.Component.Name != "rows" || f.Path != "models/local" || len(f.Command) != 2 || f.Environment[0] != "HF_TOKEN" || f.Name != "mine" {
		t.Errorf("%+v", f)
	}
	if f := steps["finetune.trl.unserved"].Finetune; f.Provider != nil || f.Model != nil {
		t.Errorf("%+v", f)
	}
	for address, want := range map[string]*Step{"judge.rubric.direct": small, "judge.rubric.warm": large, "judge.rubric.local": local} {
		s := steps[address]
		if len(s.After) != 1 || s.After[0] != want || at[want] > at[s] || s.Role.Models["model"].Tuned != want || s.Role.Models["model"].ID != "" {
			t.Errorf("%s comes after %v", address, s.After)
		}
	}
	m := steps["judge.rubric.warm"].Role.Models["model"]
	if *m.Temperature != 1 || m.Provider != large.Finetune.Provider || m.Price.Output != 2 {
		t.Errorf("%+v", m)
	}
	known := m.Known("ft:m", "r")
	if known.ID != "ft:m" || known.Revision != "r" || known.Tuned != nil || m.ID != "" {
		t.Errorf("%+v of %+v", known, m)
	}
}
