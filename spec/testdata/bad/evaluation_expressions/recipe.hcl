provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

simulator "instructions" "cases" {
  input = threat_source.catalog.pairs
  model = model.m
}

evaluation "next_action" "wrong" {
  input = simulator.instructions.cases
  model = model.m

  agent "plain" {}
  agent "guarded" { guard = "reminder" }
  judge "action" "gpt" { model = model.m }

  group "domain" { by = "row.domains" }
  group "verdict" { by = "row.gpt.label" }
  metric "text" { value = "row.action.tool" }
  metric "number" {
    value = "row.gpt.safety"
    where = "row.gpt.helpfulness"
  }
  metric "field" { value = "row.trial.saved ? 1 : 0" }
  metric "fine" { value = "row.trial.checks.exists(c, c.passed)" }
  assert "agent" { that = "metrics.plane.sec_at_1.value > 0.5" }
  assert "metric" { that = "metrics.plain.sec_at_2.value > 0.5" }
  assert "own" { that = "metrics.plain.fin.value > 0.5" }
  assert "figure" { that = "metrics.plain.fine.mean > 0.5" }
  assert "number" { that = "metrics.plain.fine.value - metrics.guarded.fine.value" }
  assert "text" { that = "'better'" }
  assert "row" { that = "row.sec_at_1.value > 0.5" }
  assert "bare" { that = "plain.sec_at_1.value > 0.5" }
  assert "whole" { that = "metrics.plain.fine > 0.5" }
  assert "syntax" { that = "metrics.plain.fine.value >" }
  assert "index" { that = "metrics['nobody'] != null" }
}
