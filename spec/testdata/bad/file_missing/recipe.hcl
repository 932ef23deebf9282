provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

simulator "instructions" "c" {
  input  = threat_source.catalog.pairs
  model  = model.m
  prompt = file("missing.tmpl")
}
