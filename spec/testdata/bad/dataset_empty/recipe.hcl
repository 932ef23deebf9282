provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

dataset "d" {
  input = threat_source.catalog.pairs
  split { ratios = { train = 1 } }
  split { ratios = { train = 1 } }
}
