provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

distill "a" { input = [threat_source.catalog.pairs, threat_source.catalog.pairs] }
distill "b" { input = [[], {}] }
distill "c" { input = [threat_source.catalog.pairs, 3] }
