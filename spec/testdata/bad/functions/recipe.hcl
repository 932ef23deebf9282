provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

simulator "instructions" "a" {
  input  = threat_source.catalog.pairs
  model  = model.m
  prompt = fiel("x")
}
simulator "instructions" "b" {
  input  = threat_source.catalog.pairs
  model  = model.m
  prompt = file("../../bad")
}
simulator "instructions" "c" {
  input  = threat_source.catalog.pairs
  model  = model.m
  prompt = upper()
  count  = length(5)
}
simulator "instructions" "d" {
  input  = threat_source.catalog.pairs
  model  = model.m
  prompt = env("A", "b", "c")
  count  = tonumber("x")
}
