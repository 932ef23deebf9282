provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

simulator "instructions" "cases" {
  input = threat_source.catalog.pairs
  model = model.m
}

evaluation "next_action" "numbers" {
  input      = simulator.instructions.cases
  model      = model.m
  samples    = 3
  scenarios  = 2.5
  k          = [1, 5, 0, 1.5, null]
  verdict    = "most"
  confidence = 95
  resamples  = 1
  baseline   = "plane"

  agent "plain" {}
  agent "more" { model = null }
  judge "action" "j" {
    model  = model.m
    counts = "perhaps"
  }
  metric "over_refusal" { value = "row.trial.refused" }
  report {
    path = "../report"
  }
  reference "paper" {
    source = "A table"
    values = {
      plain = { sec_at_1 = 0.2, sec_at_4 = 0.3, sec_at_3 = "much" }
    }
  }
}

evaluation "next_action" "named" {
  input   = simulator.instructions.cases
  model   = model.m
  guard   = "reminders"
  k       = []
  samples = 0

  agent "plain" { guard = "none" }
  reference "paper" {
    source = "A table"
    values = {
      plan  = { sec_at_1 = 0.2 }
      plain = { sec_at_0 = 0.2, sec_at_5 = 0.3, sec_at_1 = 20, unsafe_rate = -0.5, safety_score = 2.4 }
    }
    by = { domain = { finance = { plian = { sec_at_1 = 0.1 } } } }
  }
}
