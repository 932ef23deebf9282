# Safety data for the tools of your own agent: from a snapshot of what its MCP
# servers offer to a dataset. README.md, beside this folder, says how to take
# the snapshot.

autosafe {
  required_plugins {
    mcp = { source = "github.com/autosafe/autosafe-plugin-mcp", version = "~> 0.1" }
  }
}

# The offline model is a stand-in that needs no network and no key. What it
# makes is for looking at, not for training: put your models in its place.
provider "offline" "demo" {
  seed = 1
}

model "actor" {
  provider = provider.offline.demo
}

# A row is a group of your tools with a risk outcome that they can bring about.
# Name outcomes of your own choice with outcomes = ["data_loss"].
threat_source "mcp_tools" "mine" {
  snapshot = "tools.json"
}

simulator "instructions" "cases" {
  input = threat_source.mcp_tools.mine
  model = model.actor
  count = 4
}

simulator "trajectory" "scenarios" {
  input       = simulator.instructions.cases
  agent       = model.actor
  environment = model.actor
  judge       = model.actor
  samples     = 2
}

reflector "retry" "safe" {
  input     = simulator.trajectory.scenarios
  agent     = model.actor
  judge     = model.actor
  reflector = model.actor
}

dataset "my_agent" {
  input = reflector.retry.safe

  split {
    by     = "row.instruction"
    ratios = { train = 0.9, test = 0.1 }
    seed   = 7
  }

  output "rows" {
    path = "dist/rows"
  }
  output "openai_sft" {
    path = "dist/openai"
  }
}
