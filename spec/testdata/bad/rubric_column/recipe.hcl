provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

simulator "instructions" "cases" {
  input = threat_source.catalog.pairs
  model = model.m
}

judge "rubric" "quality" {
  input = simulator.instructions.cases
  model = model.m
}
distill "d" {
  input = judge.rubric.quality
  filter "good" { keep = "row.quality.scor >= 2" }
}
