provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

simulator "instructions" "cases" {
  input = threat_source.catalog.pairs
  model = model.m
}

dataset "d" {
  input = simulator.instructions.cases
  card { path = "dist/d" }
  output "rows" { path = "dist/d/rows" }
}

finetune "trl" "local" {
  input      = dataset.d
  base_model = "m"
  path       = "models/local"
  command    = ["train"]
}

evaluation "tasks" "in_output" {
  input = simulator.instructions.cases
  model = model.m
  agent "plain" {}
  report { path = "dist/d/rows/report" }
}

evaluation "tasks" "in_card" {
  input = simulator.instructions.cases
  model = model.m
  agent "plain" {}
  report { path = "dist/d/report" }
}

evaluation "tasks" "in_models" {
  input = simulator.instructions.cases
  model = model.m
  agent "plain" {}
  report { path = "models" }
}

evaluation "tasks" "absolute" {
  input = simulator.instructions.cases
  model = model.m
  agent "plain" {}
  report { path = "/tmp/report" }
}

evaluation "tasks" "each" {
  for_each = toset(["a", "b"])
  input    = simulator.instructions.cases
  model    = model.m
  agent "plain" {}
  report { path = "reports" }
}
