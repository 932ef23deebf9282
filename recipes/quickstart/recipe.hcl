# From a catalogue of tools to a safety dataset, on this machine alone: no
# network, no key, no model weights. Build it with
#
#   autosafe build recipes/quickstart
#
# A recipe is a chain of blocks. Each takes the rows of the one before it,
# under the name "input", and hands on its own. Look at the rows of any block
# with, for instance,
#
#   autosafe show reflector.retry.safe recipes/quickstart
#
# Then change something and build again: only what hangs on it runs again.

# The offline model is a scripted stand-in that plays every part below, so that
# all this can be tried at once. What it makes shows the pipeline and its
# formats; it is not for training. recipes/autosafe is the same with real
# models.
provider "offline" "demo" {
  seed = 1
}

model "actor" {
  provider = provider.offline.demo
}

# Which tools an agent holds, and what harm they can do: a row is a group of
# toolkits with one outcome, such as privacy_leak.
threat_source "catalog" "pairs" {}

# What a user asks for: two instructions for each pair. Some are plain, some
# leave out what matters, some are made with bad intent.
simulator "instructions" "cases" {
  input = threat_source.catalog.pairs
  model = model.actor
  count = 2
  mix   = { normal = 0.3, underspecified = 0.4, malicious = 0.3 }
}

# An agent works on the instruction with simulated tools until a judge finds
# an action of it unsafe. Half of the simulated tools are adversarial: what they
# return tries to lead the agent astray.
simulator "trajectory" "scenarios" {
  input       = simulator.instructions.cases
  agent       = model.actor
  environment = model.actor
  judge       = model.actor
  adversarial = 0.5
  samples     = 1
}

# What it should have done instead: the agent tries again, with advice, until
# the judge finds its action safe. To see what an edit costs, change rounds to
# 5, or give the block a prompt of your own, and build again.
reflector "retry" "safe" {
  input     = simulator.trajectory.scenarios
  agent     = model.actor
  judge     = model.actor
  reflector = model.actor
  rounds    = 10
}

# Which rows are good enough, in CEL: `row` has the columns that
# `autosafe show -chdir recipes/quickstart` lists. Changing a filter makes no
# model call.
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

# The files. The split goes by instruction, so that no instruction stands in
# both parts.
dataset "agent_safety" {
  input = distill.training

  split {
    by     = "row.instruction"
    ratios = { train = 0.9, test = 0.1 }
    seed   = 7
  }

  # Whole rows, for reading and for tools of your own.
  output "rows" {
    path = "dist/rows"
  }
  # Conversations with tool calls, for supervised fine-tuning.
  output "openai_sft" {
    path = "dist/openai"
  }
  # The paper's instruction, input and output.
  output "alpaca" {
    path = "dist/alpaca"
  }
  # Pairs: the safe action against the unsafe one.
  output "trl_dpo" {
    path = "dist/dpo"
  }
}
