provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

simulator "instructions" "cases" {
  input = threat_source.catalog.pairs
  model = model.m
}

dataset "split" {
  input = simulator.instructions.cases
  split { ratios = { train = 0.9, test = 0.1 } }
  output "rows" { path = "dist/split" }
}

dataset "whole" {
  input = simulator.instructions.cases
  output "rows" { path = "dist/whole" }
}

dataset "off" {
  enabled = false
  input   = simulator.instructions.cases
  output "rows" { path = "dist/off" }
}

evaluation "next_action" "needed" {
  input = dataset.split
  model = model.m
  agent "plain" {}
}

evaluation "next_action" "misspelt" {
  input = dataset.split
  split = "tets"
  model = model.m
  agent "plain" {}
}

evaluation "next_action" "unsplit" {
  input = dataset.whole
  split = "test"
  model = model.m
  agent "plain" {}
}

evaluation "next_action" "of_steps" {
  input = [simulator.instructions.cases]
  split = "test"
  model = model.m
  agent "plain" {}
}

evaluation "next_action" "listed" {
  input = [simulator.instructions.cases, dataset.whole]
  model = model.m
  agent "plain" {}
}

evaluation "next_action" "disabled" {
  input = dataset.off
  model = model.m
  agent "plain" {}
}

evaluation "next_action" "empty" {
  input     = []
  scenarios = 0
  model     = model.m
  agent "plain" {}
}
