# From a catalogue of tools to a safety dataset, on this machine alone: the
# offline model plays every part. Build it with
#
#   autosafe build recipes/quickstart

provider "offline" "demo" {
  seed = 1
}

model "actor" {
  provider = provider.offline.demo
}

# Which tools an agent holds, and what can go wrong with them.
threat_source "catalog" "pairs" {}

# What a user asks for: plainly, without what matters, or with bad intent.
simulator "instructions" "cases" {
  input = threat_source.catalog.pairs
  model = model.actor
  count = 2
  mix   = { normal = 0.3, underspecified = 0.4, malicious = 0.3 }
}

# An agent at work until it does something unsafe.
simulator "trajectory" "scenarios" {
  input       = simulator.instructions.cases
  agent       = model.actor
  environment = model.actor
  judge       = model.actor
  adversarial = 0.5
  samples     = 1
}

# What it should have done instead, found by reflection.
reflector "retry" "safe" {
  input     = simulator.trajectory.scenarios
  agent     = model.actor
  judge     = model.actor
  reflector = model.actor
}

distill "training" {
  input = reflector.retry.safe

  filter "verified" {
    keep = "row.safe_verdict.label == 'safe' && row.attempts.size() <= 8"
  }
  filter "grounded" {
    keep = "row.trajectory.all(s, row.tools.exists(t, t.name == s.action.tool))"
  }
  dedupe "instructions" {
    by         = "row.instruction"
    similarity = 0.9
  }
}

dataset "agent_safety" {
  input = distill.training

  split {
    by     = "row.instruction"
    ratios = { train = 0.9, test = 0.1 }
    seed   = 7
  }

  output "rows" {
    path = "dist/rows"
  }
}
