provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

simulator "instructions" "a" {
  input = threat_source.catalog.pairs
  model = "model.m"
}
simulator "instructions" "b" {
  input = threat_source.catalog.pairs
  model = threat_source.catalog.pairs
}
simulator "instructions" "c" {
  input = model.m
  model = null
}
simulator "instructions" "d" {
  input = "threat_source.catalog.pairs"
  model = model.m
  count = threat_source.catalog.pairs
}
