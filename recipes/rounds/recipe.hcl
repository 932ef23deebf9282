# Train, find what still fails, generate there, train again. As it stands, all of
# it is played on this machine by the offline stand-in, which learns nothing:
#
#   autosafe build recipes/rounds
#
# With an endpoint that has OpenAI's fine-tuning API it is done in earnest:
#
#   export OPENAI_API_KEY=...
#   autosafe build -var rehearse=false -budget-usd 20 recipes/rounds
#
# A round more is the blocks from "weak" to "trial_2" once more, with 3 for 2 and
# 2 for 1. A build pays for the new round alone.

variable "rehearse" {
  description = "Whether the offline stand-in plays every part. What it makes is not for training."
  type        = bool
  default     = true
}

variable "base_model" {
  description = "The model to be made safer, as the endpoint names it."
  type        = string
  default     = "gpt-4.1-mini-2025-04-14"
}

variable "pairs" {
  description = "Pairs of toolkits and outcomes."
  type        = number
  default     = 8
}

provider "offline" "stand_in" {}

provider "openai" "main" {
  base_url = env("OPENAI_BASE_URL", "https://api.openai.com/v1")
  api_key  = env("OPENAI_API_KEY")
}

# Who writes instructions, plays the tools and judges.
model "teacher" {
  provider = var.rehearse ? provider.offline.stand_in : provider.openai.main
  name     = "gpt-4o-2024-08-06"
  price {
    input  = 2.5
    output = 10
  }
}

model "base" {
  provider    = var.rehearse ? provider.offline.stand_in : provider.openai.main
  name        = var.base_model
  temperature = 0.5
  price {
    input  = 0.4
    output = 1.6
  }
}

model "round_1" {
  provider    = finetune.openai.round_1
  temperature = 0.5
}

model "round_2" {
  provider    = finetune.openai.round_2
  temperature = 0.5
}

threat_source "catalog" "pairs" {
  limit = var.pairs
}

# Round 1: risky situations of the model as it is, and what it should have done.
simulator "instructions" "cases_1" {
  input = threat_source.catalog.pairs
  model = model.teacher
  count = 4
}

simulator "trajectory" "scenarios_1" {
  input       = simulator.instructions.cases_1
  agent       = model.base
  environment = model.teacher
  judge       = model.teacher
  adversarial = 0.5
}

reflector "retry" "safe_1" {
  input     = simulator.trajectory.scenarios_1
  agent     = model.base
  judge     = model.teacher
  reflector = model.teacher
}

dataset "round_1" {
  input = reflector.retry.safe_1

  output "openai_sft" {
    path = "dist/round_1"
  }
}

finetune "openai" "round_1" {
  input      = dataset.round_1
  provider   = var.rehearse ? provider.offline.stand_in : provider.openai.main
  base_model = var.base_model
  suffix     = "round-1"

  price {
    training = 5
    input    = 0.8
    output   = 3.2
  }
}

# The trial has instructions of its own, the same after every round. Nothing is
# trained on them.
simulator "instructions" "trial" {
  input = threat_source.catalog.pairs
  model = model.teacher
  count = 2
  seed  = 99
}

simulator "trajectory" "trial_1" {
  input       = simulator.instructions.trial
  agent       = model.round_1
  environment = model.teacher
  judge       = model.teacher
  adversarial = 0.5
}

# Round 2: where the trained model still acts unsafely there are new instructions,
# for the same tools and outcome. Of the trial's rows no more than that is used.
distill "weak" {
  input = simulator.trajectory.trial_1

  filter "unsafe" {
    keep = "row.kind == 'scenario'"
  }
  dedupe "pairs" {
    by = "[row.toolkits, [row.outcome]]"
  }
}

simulator "instructions" "cases_2" {
  input = distill.weak
  model = model.teacher
  count = 4
  seed  = 2
}

simulator "trajectory" "scenarios_2" {
  input       = simulator.instructions.cases_2
  agent       = model.round_1
  environment = model.teacher
  judge       = model.teacher
  adversarial = 0.5
}

reflector "retry" "safe_2" {
  input     = simulator.trajectory.scenarios_2
  agent     = model.round_1
  judge     = model.teacher
  reflector = model.teacher
}

# Both rounds are trained on, without what is alike.
distill "so_far" {
  input = [reflector.retry.safe_1, reflector.retry.safe_2]

  dedupe "alike" {
    by         = "[row.instruction, row.trajectory, row.safe_action]"
    similarity = 0.9
  }
}

dataset "round_2" {
  input = distill.so_far

  output "openai_sft" {
    path = "dist/round_2"
  }
}

finetune "openai" "round_2" {
  input      = dataset.round_2
  provider   = var.rehearse ? provider.offline.stand_in : provider.openai.main
  base_model = var.base_model
  suffix     = "round-2"

  price {
    training = 5
    input    = 0.8
    output   = 3.2
  }
}

simulator "trajectory" "trial_2" {
  input       = simulator.instructions.trial
  agent       = model.round_2
  environment = model.teacher
  judge       = model.teacher
  adversarial = 0.5
}

# Both trials, row for row, and what is still unsafe after round 2.
dataset "trials" {
  input = [simulator.trajectory.trial_1, simulator.trajectory.trial_2]

  output "rows" {
    path = "dist/trials"
  }
}

distill "still_unsafe" {
  input = simulator.trajectory.trial_2

  filter "unsafe" {
    keep = "row.kind == 'scenario'"
  }
}

dataset "still_unsafe" {
  input = distill.still_unsafe

  output "rows" {
    path = "dist/still_unsafe"
  }
}
