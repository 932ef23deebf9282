provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

distill "d" {
  input = threat_source.catalog.pairs
  filtre "a" { keep = "true" }
  dedupe "b" { similarity = 0 }
  dedupe "c" { similarity = 1.1 }
  limit "d" { max = 1.5 }
  limit "e" { max = 0 }
  sample "f" { n = "all" }
}
