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
  input      = dataset.d
  enabled    = false
  provider   = provider.openai.main
  base_model = "m"
}

finetune "openai" "other" {
  input      = dataset.d
  provider   = provider.openai.main
  base_model = "m"
}

model "tuned" {
  provider = finetune.openai.other
  name     = "mine"
}

judge "rubric" "a" {
  input  = threat_source.catalog.pairs
  model  = finetune.openai.agent
}

judge "rubric" "b" {
  input  = threat_source.catalog.pairs
  model  = model.tuned
}

judge "rubric" "c" {
  input  = finetune.openai.other
  model  = model.tuned
}
