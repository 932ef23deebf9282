provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

simulator "instructions" "cases" {
  input = threat_source.catalog.pairs
  model = model.m
}

variable "rounds" { default = 3 }
locals {
  depth = 3
}
reflector "retry" "safe" {
  input     = simulator.instructions.case
  agent     = model.agnet
  judge     = models.m
  reflector = model.m
  rounds    = var.round
  require   = local.dpeth
}
distill "d" { input = simulator.instruction.cases }
distill "e" { input = distill.f }
distill "g" { input = simulator.instructions }
distill "h" { input = scenario.x }
