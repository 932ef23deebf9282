provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

dataset "a" {
  input = threat_source.catalog.pairs
  split { ratios = { train = 1 } }
  output "trl_dpo" { path = "dist" }
}
