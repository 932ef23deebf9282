provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

dataset "d" {
  input = threat_source.catalog.pairs
  output "rows" { path = "dist" }
}
distill "e" { input = dataset.d }
