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

finetune "openai" "rows" {
  input      = threat_source.catalog.pairs
  provider   = provider.openai.main
  base_model = "m"
}

finetune "openai" "format" {
  input      = dataset.d
  provider   = provider.openai.main
  base_model = "m"
  method     = "dpo"
}

finetune "openai" "output" {
  input      = dataset.d
  output     = "rows"
  split      = "trian"
  validation = "dev"
  provider   = provider.openai.main
  base_model = "m"
}

finetune "openai" "none" {
  input      = dataset.d
  output     = "openai_stf"
  validation = "train"
  provider   = provider.openai.main
  base_model = "m"
}
