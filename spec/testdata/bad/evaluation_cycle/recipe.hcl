provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

simulator "instructions" "cases" {
  input = threat_source.catalog.pairs
  model = model.m
}

distill "figures" { input = evaluation.tasks.first }

evaluation "tasks" "first" {
  input = judge.rubric.later
  model = model.m
  agent "plain" {}
}

judge "rubric" "later" {
  input = distill.figures
  model = model.m
}
