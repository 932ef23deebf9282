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

finetune "trl" "a" {
  input      = dataset.d
  name       = "m"
  base_model = "m"
  path       = "dist/rows/model"
  command    = []
}
