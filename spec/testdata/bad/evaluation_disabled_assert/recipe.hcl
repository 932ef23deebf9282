provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "jsonl" "cases" { path = "recipe.hcl" }

evaluation "next_action" "e" {
  input = threat_source.jsonl.cases
  model = model.m

  agent "plain" {}
  agent "other" { enabled = false }
  metric "off" {
    enabled = false
    value   = "true"
  }
  assert "agent" { that = "metrics.other.sec_at_1.value > 0.5" }
  assert "metric" { that = "metrics.plain.off.value > 0.5" }
  assert "off" {
    enabled = false
    that    = "metrics.other.off.value > 0.5"
  }
}
