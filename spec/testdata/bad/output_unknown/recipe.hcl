provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

dataset "a" {
  input = threat_source.catalog.pairs
  output "row" { path = "dist/x" }
}
