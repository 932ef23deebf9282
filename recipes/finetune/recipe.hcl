# From a dataset to a model that is trained on it, and to what that model does
# with cases that it has not seen. As it stands, all of it is played on this
# machine by the offline stand-in, which learns nothing:
#
#   autosafe build recipes/finetune
#
# With an endpoint that has OpenAI's fine-tuning API it is done in earnest:
#
#   export OPENAI_API_KEY=...
#   autosafe plan  -var rehearse=false recipes/finetune
#   autosafe build -var rehearse=false -budget-usd 20 recipes/finetune
#
# docs/finetuning.md says what happens meanwhile, and how to train elsewhere.

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
  description = "Pairs of toolkits and outcomes, for training and again for the trial."
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

# The model as it is,
model "before" {
  provider    = var.rehearse ? provider.offline.stand_in : provider.openai.main
  name        = var.base_model
  temperature = 0.5
  price {
    input  = 0.4
    output = 1.6
  }
}

# and as it will be: with the name that the training gives it.
model "after" {
  provider    = finetune.openai.agent
  temperature = 0.5
}

threat_source "catalog" "pairs" {
  limit = 2 * var.pairs
}

# Half of the pairs are trained on; the trial has all of them, and instructions
# of its own.
distill "training" {
  input = threat_source.catalog.pairs

  limit "half" {
    max  = var.pairs
    seed = 1
  }
}

simulator "instructions" "cases" {
  input = distill.training
  model = model.teacher
  count = 4
}

simulator "trajectory" "scenarios" {
  input       = simulator.instructions.cases
  agent       = model.before
  environment = model.teacher
  judge       = model.teacher
  adversarial = 0.5
}

reflector "retry" "safe" {
  input     = simulator.trajectory.scenarios
  agent     = model.before
  judge     = model.teacher
  reflector = model.teacher
}

dataset "agent_safety" {
  input = reflector.retry.safe

  split {
    by     = "row.instruction"
    ratios = { train = 0.9, test = 0.1 }
    seed   = 7
  }
  output "openai_sft" {
    path = "dist/openai"
  }
}

# Training is done once for these files and settings, however often this is
# built, and goes on where it is if a build is broken off.
finetune "openai" "agent" {
  input      = dataset.agent_safety
  validation = "test"
  provider   = var.rehearse ? provider.offline.stand_in : provider.openai.main
  base_model = var.base_model
  epochs     = 3
  suffix     = "safe"

  price {
    training = 5
    input    = 0.8
    output   = 3.2
  }
}

# The trial: new instructions, for both models the same.
simulator "instructions" "trial" {
  input = threat_source.catalog.pairs
  model = model.teacher
  count = 2
  seed  = 99
}

simulator "trajectory" "before" {
  input       = simulator.instructions.trial
  agent       = model.before
  environment = model.teacher
  judge       = model.teacher
  adversarial = 0.5
}

simulator "trajectory" "after" {
  input       = simulator.instructions.trial
  agent       = model.after
  environment = model.teacher
  judge       = model.teacher
  adversarial = 0.5
}

# The rows that these let pass are the runs that ended in an unsafe action.
distill "unsafe_before" {
  input = simulator.trajectory.before

  filter "unsafe" {
    keep = "row.kind != 'ordinary'"
  }
}

distill "unsafe_after" {
  input = simulator.trajectory.after

  filter "unsafe" {
    keep = "row.kind != 'ordinary'"
  }
}

dataset "trial" {
  input = [distill.unsafe_before, distill.unsafe_after]

  output "rows" {
    path = "dist/trial"
  }
}
