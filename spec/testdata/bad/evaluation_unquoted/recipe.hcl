provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "jsonl" "cases" { path = "recipe.hcl" }

evaluation "tasks" "e" {
  input = threat_source.jsonl.cases
  model = model.m

  agent "plain" { model = each.value }
  agent "other" { model = agent.plain }
  group "g" { by = row.domain }
  assert "a" { that = metrics.plain.sec_at_1.value > 0.5 }
}
