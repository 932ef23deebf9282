provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

locals {
  a = threat_source.catalog.pairs
  b = var.missing
  c = local.d
}
