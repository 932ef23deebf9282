provider "openai" "main" {
  base_url = "https://api.example.com/v1"
  api_key  = "key-0123456789"
}

threat_source "catalog" "pairs" {}

dataset "d" {
  input = judge.rubric.a

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
  input      = dataset.d
  provider   = provider.openai.main
  base_model = "m"
}

model "tuned" {
  provider = finetune.openai.agent
}

judge "rubric" "a" {
  input = threat_source.catalog.pairs
  model = model.tuned
}
