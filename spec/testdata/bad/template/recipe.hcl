provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

simulator "instructions" "a" {
  input  = threat_source.catalog.pairs
  model  = model.m
  prompt = "Write for {{ .outcom }} in {{ .row.domian }}."
}
simulator "instructions" "b" {
  input  = threat_source.catalog.pairs
  model  = model.m
  prompt = "Write {{ .outcome"
}
