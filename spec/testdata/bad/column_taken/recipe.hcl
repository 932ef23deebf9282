provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

simulator "instructions" "cases" {
  input = threat_source.catalog.pairs
  model = model.m
}

judge "rubric" "instruction" {
  input = simulator.instructions.cases
  model = model.m
}
judge "rubric" "id" {
  input = simulator.instructions.cases
  model = model.m
}
judge "rubric" "quality" {
  input = simulator.instructions.cases
  model = model.m
}
judge "rubric" "ok" {
  input = judge.rubric.quality
  model = model.m
}
