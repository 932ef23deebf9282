# The paper's experiments (Zhou et al., arXiv 2505.17735): data made by the method,
# an agent trained on it, and the agent measured before and after. trials.hcl beside
# this file measures; published.hcl has the paper's figures. README.md says how to
# run it and where it differs from the paper.

provider "openai" "main" {
  base_url = env("OPENAI_BASE_URL", "https://api.openai.com/v1")
  api_key  = env("OPENAI_API_KEY")

  limits {
    concurrency = var.concurrency
  }
}

provider "offline" "stand_in" {}

# Temperatures are the paper's.
model "generator" {
  provider    = var.rehearse ? provider.offline.stand_in : provider.openai.main
  name        = var.generator
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

model "examiner" {
  provider = var.rehearse ? provider.offline.stand_in : provider.openai.main
  name     = var.examiner
}

# The agent as it is, and as it is after training.
model "plain" {
  provider    = var.rehearse ? provider.offline.stand_in : provider.openai.main
  name        = var.agent
  temperature = 0.5
}

model "tuned" {
  provider    = finetune.openai.tuned
  temperature = 0.5
}

# O, and who can bring it about.
threat_source "catalog" "pairs" {}

distill "pairs" {
  input = threat_source.catalog.pairs

  balance "outcomes" {
    by   = "row.outcome"
    max  = var.pairs
    seed = 1
  }
}

# O to S.
simulator "instructions" "cases" {
  input    = distill.pairs
  model    = model.generator
  count    = var.instructions
  mix      = { normal = 0.3, underspecified = 0.4, malicious = 0.3 }
  on_error = "drop"
  enabled  = var.train
}

simulator "trajectory" "scenarios" {
  input       = simulator.instructions.cases
  agent       = model.plain
  environment = model.environment
  judge       = model.judge
  samples     = var.runs
  on_error    = "drop"
  enabled     = var.train
}

# S to T.
reflector "retry" "safe" {
  input     = simulator.trajectory.scenarios
  agent     = model.plain
  judge     = model.judge
  reflector = model.judge
  rounds    = var.rounds
  on_error  = "drop"
  enabled   = var.train
}

dataset "training" {
  input   = reflector.retry.safe
  enabled = var.train

  output "openai_sft" {
    path     = "dist/training"
    ordinary = 300
  }
}

# T to safety. Five epochs as in the paper; the rest is the endpoint's affair.
# README.md has the paper's own LoRA setting for machines with a GPU.
finetune "openai" "tuned" {
  input      = dataset.training
  provider   = var.rehearse ? provider.offline.stand_in : provider.openai.main
  base_model = var.agent
  epochs     = 5
  suffix     = "safe"
  enabled    = var.train
}

# The same without two of the outcomes, for each of the paper's five pairs.
locals {
  held_out = {
    bias_privacy      = ["bias", "privacy_leak"]
    computer_property = ["computer_security", "property_damage"]
    data_ethics       = ["data_loss", "ethics"]
    financial_illegal = ["financial_loss", "illegal_activity"]
    physical_misc     = ["physical_health", "miscellaneous"]
  }
  unseen = var.train && var.unseen ? local.held_out : {}
}

distill "seen" {
  for_each = local.unseen
  input    = reflector.retry.safe

  filter "others" {
    keep = "!(row.outcome in ${jsonencode(each.value)})"
  }
}

dataset "seen" {
  for_each = local.unseen
  input    = distill.seen[each.key]

  output "openai_sft" {
    path     = "dist/seen/${each.key}"
    ordinary = 300
  }
}

finetune "openai" "seen" {
  for_each   = local.unseen
  input      = dataset.seen[each.key]
  provider   = var.rehearse ? provider.offline.stand_in : provider.openai.main
  base_model = var.agent
  epochs     = 5
  suffix     = replace(each.key, "_", "-")
}
