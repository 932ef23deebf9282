autosafe {
  required_version = ">= 0.1.0"
  required_plugins {
    acme = { source = "github.com/acme/autosafe-plugin-acme", version = "~> 1.2" }
  }
}

variable "samples" {
  type    = number
  default = 5
}

provider "openai" "main" {
  base_url = env("OPENAI_BASE_URL", "https://api.openai.com/v1")
  api_key  = env("OPENAI_API_KEY") # sensitive: never hashed, logged, cached, or shown to a plugin
  limits {
    concurrency         = 64
    requests_per_minute = 3000
    tokens_per_minute   = 2000000
  }
}

model "generator" {
  provider = provider.openai.main
  name     = "gpt-4o-2024-08-06"
}

model "environment" {
  provider = provider.openai.main
  name     = "gpt-4o-2024-08-06"
}

model "judge" {
  provider    = provider.openai.main
  name        = "gpt-4o-2024-08-06"
  temperature = 0
}

model "agent" {
  provider    = provider.openai.main # or provider.offline.demo
  name        = "gpt-4o-mini-2024-07-18"
  temperature = 0.5
  price {
    input  = 0.15 # US dollars per million tokens
    output = 0.60
  }
}

threat_source "catalog" "pairs" {
  domains  = ["finance", "health"]
  outcomes = ["privacy_leak", "financial_loss"]
}

simulator "instructions" "cases" {
  input = threat_source.catalog.pairs
  model = model.generator
  count = 10
  mix   = { normal = 0.3, underspecified = 0.4, malicious = 0.3 }
}

simulator "trajectory" "scenarios" {
  input       = simulator.instructions.cases
  agent       = model.agent
  environment = model.environment
  judge       = model.judge
  adversarial = 0.5
  max_steps   = 15
  samples     = var.samples
}

reflector "retry" "safe" {
  input     = simulator.trajectory.scenarios
  agent     = model.agent
  judge     = model.judge
  reflector = model.judge
  rounds    = 10
  prompt    = file("prompts/reflect.tmpl")
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
  balance "classes" {
    by  = "row.scenario_class"
    max = 500
  }
}

dataset "agent_safety" {
  input = distill.training
  split {
    by     = "row.instruction"
    ratios = { train = 0.9, test = 0.1 }
    seed   = 7
  }
  output "openai_sft" { path = "dist/openai" }
  output "trl_dpo" { path = "dist/dpo" }
}
