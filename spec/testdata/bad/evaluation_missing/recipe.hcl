provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

simulator "instructions" "cases" {
  input = threat_source.catalog.pairs
  model = model.m
}

evaluation "next_action" "no_agent" {
  input = simulator.instructions.cases
}

evaluation "next_action" "no_model" {
  agent "plain" { guard = "reminder" }
  agent "other" { model = model.m }
  agent "more" {
    model   = model.m
    samples = 5
  }
  judge "action" "j" {}
  group "g" {}
  metric "m" {}
  assert "a" { message = "x" }
  reference "r" {}
  report {}
  report { path = "dist" }
  human "h" {}
}
