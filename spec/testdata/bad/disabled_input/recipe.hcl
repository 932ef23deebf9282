provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

threat_source "catalog" "off" {
  enabled = false
}
distill "a" { input = threat_source.catalog.off }
distill "b" { input = [threat_source.catalog.off] }
distill "ok" { input = [threat_source.catalog.off, threat_source.catalog.pairs] }
