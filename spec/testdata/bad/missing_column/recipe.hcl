provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

simulator "trajectory" "t" {
  input       = threat_source.catalog.pairs
  agent       = model.m
  environment = model.m
  judge       = model.m
}
simulator "instructions" "i" {
  input = threat_source.catalog.pairs
  model = model.m
}
simulator "trajectory" "u" {
  input       = [simulator.instructions.i, threat_source.catalog.pairs]
  agent       = model.m
  environment = model.m
  judge       = model.m
}
