provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

simulator "instructions" "cases" {
  input  = threat_source.catalog.pairs
  model  = model.m
  promt  = "x"
  colour = "red"
  limits {}
}
