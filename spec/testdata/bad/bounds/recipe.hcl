provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

simulator "instructions" "cases" {
  input = threat_source.catalog.pairs
  model = model.m
}

simulator "trajectory" "t" {
  input        = simulator.instructions.cases
  agent        = model.m
  environment  = model.m
  judge        = model.m
  adversarial  = 1.5
  max_steps    = 0
  samples      = 0
  max_failures = -1
}
