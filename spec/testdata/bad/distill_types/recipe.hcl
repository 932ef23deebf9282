provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

distill "d" {
  input = threat_source.catalog.pairs
  dedupe "b" { similarity = 0 }
  limit "d" { max = 1.5 }
  limit "d" { max = 2 }
  sample "f" {
    n    = "all"
    seed = -1
  }
}
