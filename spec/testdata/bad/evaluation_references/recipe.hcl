provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

simulator "instructions" "cases" {
  input = threat_source.catalog.pairs
  model = model.m
}

provider "openai" "main" {}

dataset "d" {
  input = simulator.instructions.cases
  output "openai_sft" { path = "dist/d" }
}

finetune "openai" "agent" {
  input      = dataset.d
  provider   = provider.openai.main
  base_model = "b"
}

evaluation "next_action" "first" {
  input = simulator.instructions.cases
  model = model.m
  agent "plain" {}
}

evaluation "next_action" "each" {
  for_each = toset(["a"])
  input    = simulator.instructions.cases
  model    = model.m
  agent "plain" {}
}

evaluation "next_action" "second" {
  input = evaluation.next_action.first
  model = model.m
  agent "plain" {}
}

judge "rubric" "figures" {
  input = evaluation.next_action.first
  model = model.m
}

distill "trials" { input = evaluation.next_action.first.agent.plain }
distill "all" { input = evaluation.next_action.each.agent }
distill "none" { input = evaluation.next_action.last }
distill "short" { input = evaluation.next_action }
