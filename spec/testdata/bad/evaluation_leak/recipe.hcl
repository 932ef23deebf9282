provider "openai" "main" {
  base_url = "https://api.example.com/v1"
}

model "base" {
  provider = provider.openai.main
  name     = "base-1"
}

threat_source "catalog" "pairs" {}

simulator "instructions" "cases" {
  input = threat_source.catalog.pairs
  model = model.base
}

distill "good" { input = simulator.instructions.cases }

dataset "d" {
  input = distill.good
  split { ratios = { train = 0.9, test = 0.1 } }
  output "openai_sft" { path = "dist/d" }
}

dataset "whole" {
  input = distill.good
  output "openai_sft" { path = "dist/whole" }
}

finetune "openai" "agent" {
  input      = dataset.d
  provider   = provider.openai.main
  base_model = "b"
}

finetune "openai" "other" {
  input      = dataset.whole
  provider   = provider.openai.main
  base_model = "b"
}

model "warm" {
  provider    = finetune.openai.agent
  temperature = 1
}

evaluation "tasks" "trained" {
  input = dataset.d
  split = "train"
  agent "plain" { model = model.base }
  agent "tuned" { model = finetune.openai.agent }
  agent "warm" { model = model.warm }
}

evaluation "tasks" "untrained" {
  input = dataset.d
  split = "test"
  model = finetune.openai.agent
  agent "tuned" {}
}

evaluation "tasks" "whole" {
  input = dataset.whole
  model = finetune.openai.other
  agent "tuned" {}
}

distill "some" {
  input = distill.good
  sample "some" { n = 3 }
}

evaluation "tasks" "steps" {
  input = distill.some
  model = model.warm
  agent "tuned" {}
}

finetune "openai" "backwards" {
  input      = dataset.d
  split      = "test"
  provider   = provider.openai.main
  base_model = "b"
}

evaluation "tasks" "backwards" {
  input = dataset.d
  split = "test"
  model = finetune.openai.backwards
  agent "tuned" {}
}
