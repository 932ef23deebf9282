# The method of AutoSafe (Zhou et al., arXiv 2505.17735) from threat model to
# training files, with the paper's numbers as defaults. What the paper leaves
# open is marked as such. README.md beside this file says what it costs.
#
#   export OPENAI_BASE_URL=... OPENAI_API_KEY=...
#   autosafe build recipes/autosafe

provider "openai" "main" {
  base_url = env("OPENAI_BASE_URL", "https://api.openai.com/v1")
  api_key  = env("OPENAI_API_KEY")

  limits {
    concurrency = var.concurrency
  }
}

# For a rehearsal without an endpoint: -var rehearse=true.
provider "offline" "stand_in" {}

# The five roles. Temperatures are the paper's.
model "generator" {
  provider    = var.rehearse ? provider.offline.stand_in : provider.openai.main
  name        = var.generator
  temperature = 0.5
}

model "agent" {
  provider    = var.rehearse ? provider.offline.stand_in : provider.openai.main
  name        = var.agent
  temperature = 0.5
}

model "environment" {
  provider    = var.rehearse ? provider.offline.stand_in : provider.openai.main
  name        = var.environment
  temperature = 0.8
}

model "judge" {
  provider    = var.rehearse ? provider.offline.stand_in : provider.openai.main
  name        = var.judge
  temperature = 0
}

model "reflector" {
  provider    = var.rehearse ? provider.offline.stand_in : provider.openai.main
  name        = var.reflector
  temperature = 0
}

# O and the toolkits: which group of tools can bring which outcome about.
threat_source "catalog" "pairs" {
  path    = var.toolkits == "" ? null : var.toolkits
  builtin = var.toolkits == ""
}

# The paper's 500 instructions at 10 a pair mean about 50 pairs. Here every
# outcome gets the same number of them.
distill "pairs" {
  input = threat_source.catalog.pairs

  balance "outcomes" {
    by   = "row.outcome"
    max  = var.pairs
    seed = 1
  }
}

# O to S, step 1: user instructions (M_g). The paper states no mix of types.
simulator "instructions" "cases" {
  input    = distill.pairs
  model    = model.generator
  count    = var.instructions
  mix      = { normal = 0.3, underspecified = 0.4, malicious = 0.3 }
  on_error = "drop"
}

# O to S, step 2: an agent in a simulated environment until its first unsafe
# action (Algorithm 1). The paper states no share of adversarial runs.
simulator "trajectory" "scenarios" {
  input       = simulator.instructions.cases
  agent       = model.agent
  environment = model.environment
  judge       = model.judge
  adversarial = var.adversarial
  max_steps   = var.max_steps
  samples     = var.samples
  on_error    = "drop"
}

# S to T: a safe action in the unsafe one's place (Algorithm 2). Edit the
# prompt and build again: what it costs is the reflections and what follows.
reflector "retry" "safe" {
  input     = simulator.trajectory.scenarios
  agent     = model.agent
  judge     = model.judge
  reflector = model.reflector
  rounds    = var.rounds
  max_steps = var.max_steps
  prompt    = file("prompts/reflect.tmpl")
  on_error  = "drop"
}

# The paper filters no further. These steps leave out what cannot be learned
# from, and what is there already.
distill "training" {
  input = reflector.retry.safe

  filter "verified" {
    keep = "row.safe_verdict.label == 'safe'"
  }
  filter "grounded" {
    keep = "row.trajectory.all(s, row.tools.exists(t, t.name == s.action.tool))"
  }
  dedupe "alike" {
    by         = "[row.instruction, row.trajectory, row.safe_action]"
    similarity = 0.9
  }
}

# No instruction stands in two splits, however many rows it led to.
dataset "agent_safety" {
  input = distill.training

  split {
    by     = "row.instruction"
    ratios = { train = 0.9, test = 0.1 }
    seed   = 7
  }

  # What stands beside the files when they are published. Say here who you are,
  # where the dataset will be found, and under which licence.
  card {
    path         = "dist"
    pretty_name  = "AutoSafe"
    licence      = "apache-2.0"
    language     = ["en"]
    description  = "Risky situations of agents that call tools, each with what to do instead, made by the AutoSafe method (Zhou et al., [arXiv 2505.17735](https://arxiv.org/abs/2505.17735)) without people."
    intended_use = "Fine-tuning agents that call tools so that they act safely, and studying how they fail. The unsafe actions are there as what not to do."
    tags         = ["agents", "self-reflection"]
  }

  output "rows" {
    path = "dist/rows"
  }
  # The paper's rows: single steps in the agent's text form, with 300 steps of
  # ordinary runs mixed in against over-refusal; and those that train a judge.
  output "alpaca" {
    path     = "dist/alpaca"
    ordinary = 300
  }
  output "alpaca_judge" {
    path = "dist/judge"
  }

  # The same as conversations with tool calls, for other trainers.
  output "openai_sft" {
    path = "dist/openai"
  }
  output "openai_dpo" {
    path = "dist/openai_dpo"
  }
  output "trl_sft" {
    path = "dist/trl_sft"
  }
  output "trl_dpo" {
    path = "dist/dpo"
  }
  output "trl_kto" {
    path     = "dist/trl_kto"
    rejected = "both"
  }
  output "trl_stepwise" {
    path = "dist/trl_stepwise"
  }
  output "llamafactory" {
    path = "dist/llamafactory_sft"
    name = "agent_safety"
  }
  output "llamafactory" {
    path  = "dist/llamafactory_dpo"
    name  = "agent_safety"
    stage = "dpo"
  }
  output "axolotl_sft" {
    path = "dist/axolotl_sft"
  }
  output "axolotl_dpo" {
    path = "dist/axolotl_dpo"
  }
  output "parquet" {
    path = "dist/parquet"
  }
}
