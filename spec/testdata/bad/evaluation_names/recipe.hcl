provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

simulator "instructions" "cases" {
  input = threat_source.catalog.pairs
  model = model.m
}

evaluation "next_action" "names" {
  input = simulator.instructions.cases
  model = model.m

  agent "plain" {}
  agent "plain" { guard = "reminder" }
  agent "with-guard" {}
  agent "in" {}
  judge "action" "first" { model = model.m }
  judge "rubric" "first" { model = model.m }
  human "first" { path = "recipe.hcl" }
  judge "action" "verdict" { model = model.m }
  human "verdict" { path = "recipe.hcl" }
  group "a b" { by = "row.domain" }
  metric "twice" { value = "1" }
  metric "twice" { value = "2" }
  assert "1st" { that = "true" }
  reference "" {
    source = "x"
    values = {}
  }
}
