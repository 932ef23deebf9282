provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

distill "a" { input = distill.b }
distill "b" { input = [threat_source.catalog.pairs, distill.c] }
distill "c" { input = distill.a }
distill "self" { input = distill.self }
