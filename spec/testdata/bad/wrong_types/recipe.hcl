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
  input       = simulator.instructions.cases
  agent       = model.m
  environment = model.m
  judge       = model.m
  adversarial = "half"
  max_steps   = [15]
  samples     = "3.5"
  seed        = 1.5
  generation  = -1
  on_error    = "skip"
}
threat_source "catalog" "b" {
  domains  = "finance"
  outcomes = ["a", ["b"]]
}
