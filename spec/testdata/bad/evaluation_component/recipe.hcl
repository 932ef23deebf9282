provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

simulator "instructions" "cases" {
  input = threat_source.catalog.pairs
  model = model.m
}

evaluation "next_acton" "misspelt" {
  input = simulator.instructions.cases
  agent "plain" {}
}

evaluation "action" "a_judge" {
  input = simulator.instructions.cases
  agent "plain" {}
}

judge "next_action" "an_evaluation" {
  input = simulator.instructions.cases
}

evaluation "next_action" {
  input = simulator.instructions.cases
}

evaluation "next_action" "blocks" {
  input = simulator.instructions.cases
  model = model.m

  agent {}
  agent "plain" {
    gaurd = "none"
    tool "x" {}
    judge "action" "x" {}
  }
  judge "actoin" "j" { model = model.m }
  judge "retry" "j" { model = model.m }
  judge "action" "k" {
    model = model.m
    count = true
  }
  jury "x" {}
}
