provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

simulator "instructions" "cases" {
  input = threat_source.catalog.pairs
  model = model.m
}

distill "d" {
  input = simulator.instructions.cases
  filter "a" { keep = "row.outcome = 'x'" }
  filter "b" { keep = "row.outcome" }
  filter "c" { keep = "" }
  filter "d" { keep = "rows.outcome == 'x'" }
}
