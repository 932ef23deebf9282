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

evaluation "next_action" "model" {
  input = finetune.openai.agent
  model = dataset.d
  agent "plain" {}
}

evaluation "next_action" "text" {
  input = "dataset.d"
  agent "plain" { model = "model.m" }
}

distill "one" { input = evaluation.next_action.each["a"].agent }
distill "none" { input = evaluation.next_action.each["b"] }
distill "all" { input = [evaluation.next_action.first, evaluation.next_action.each, evaluation.next_action.each["a"]] }
