provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

threat_source "catalog" "a" {
  domains = ["finance", "helth"]
}
simulator "instructions" "b" {
  input = threat_source.catalog.pairs
  model = model.m
  mix   = { normal = 0.5, malicous = 0.5 }
}
