provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

simulator "instructions" "cases" {
  input = threat_source.catalog.pairs
  model = model.m
}

threat_source "jsonl" "named" {
  path = "recipe.hcl"
  map  = { scenario = "record.id", instruction = "record.text", gpt = "record.gpt" }
}

evaluation "tasks" "taken" {
  input = threat_source.jsonl.named
  model = model.m
  agent "plain" {}
  agent "other" {}
  judge "action" "gpt" { model = model.m }
}

evaluation "next_action" "lacking" {
  input = threat_source.catalog.pairs
  model = model.m
  agent "plain" {}
  agent "other" { prompt = "{{ .row.outcom }}" }
  judge "action" "trial" { model = model.m }
  judge "action" "plain" { model = model.m }
}

threat_source "jsonl" "open" {
  path = "recipe.hcl"
}

evaluation "tasks" "open" {
  input = threat_source.jsonl.open
  model = model.m
  agent "plain" {}
  judge "action" "instruction" { model = model.m }
}
