provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

threat_source "catalog" "more" {
  input = threat_source.catalog.pairs
}
