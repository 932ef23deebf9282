provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

simulator "instructions" "cases" {
  input = threat_source.catalog.pairs
  model = model.m
}

distill "d" {
  input = simulator.instructions.cases
  filter "a" {
    keep = "row.outcome == 'privacy_leak' && row.instrucion != ''"
  }
  filter "b" {
    keep = <<-EOT
      row.tools.size() > 3
      && row.tools.exists(t, t.nmae == 'x')
    EOT
  }
  balance "c" {
    by  = "row.clas"
    max = 3
  }
}
