provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

simulator "instructions" "cases" {
  input = threat_source.catalog.pairs
  model = model.m
}

dataset "a" {
  input = simulator.instructions.cases
  split { ratios = { train = 0.9, test = 0.2 } }
  output "rows" { path = "dist/a" }
}
dataset "b" {
  input = simulator.instructions.cases
  split { ratios = { train = 1, test = 0 } }
  output "rows" { path = "dist/b" }
}
dataset "c" {
  input = simulator.instructions.cases
  split { ratios = { "Train/1" = 1 } }
  output "rows" { path = "dist/c" }
}
dataset "d" {
  input = simulator.instructions.cases
  split { ratios = {} }
  output "rows" { path = "dist/d" }
}
