provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

simulator "instructions" "a" {
  input = threat_source.catalog.pairs.rows
  model = model.m.name
}
simulator "instructions" "b" {
  input  = threat_source.catalog.pairs
  model  = model.m
  prompt = "${row.instruction}"
}
distill "c" {
  input = threat_source.catalog.pairs
  limit "x" { max = provider.offline.demo }
}
