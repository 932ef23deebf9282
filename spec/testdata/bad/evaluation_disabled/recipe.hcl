provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "jsonl" "cases" { path = "recipe.hcl" }

evaluation "next_action" "baseline" {
  input    = threat_source.jsonl.cases
  model    = model.m
  baseline = "other"

  agent "plain" { enabled = "yes" }
  agent "other" { enabled = false }
  agent "third" {}
}

evaluation "next_action" "nobody" {
  input = threat_source.jsonl.cases
  model = model.m

  agent "plain" { enabled = false }
}

evaluation "next_action" "named" {
  input = threat_source.jsonl.cases
  model = model.m

  agent "plain" {}
  agent "other" { enabled = false }
  metric "off" {
    enabled = false
    value   = "true"
  }
  reference "paper" {
    source = "A table"
    values = { other = { off = 1, of = 2 } }
  }
}
