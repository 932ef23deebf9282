provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

simulator "instructions" "cases" {
  input = threat_source.catalog.pairs
  model = model.m
}

evaluation "next_action" "named" {
  input = simulator.instructions.cases
  agent "plain" { model = model.m }
  reference "paper" {
    source = "A table"
    values = {}
    by = {
      domaine = { finance = { plain = { sec_at_1 = 0.1 } } }
    }
  }
}
