# Whole runs of agents whose chance of an unsafe step is known.

provider "openai" "main" {
  base_url = env("OPENAI_BASE_URL")
  api_key  = env("OPENAI_API_KEY")
}

model "bold" {
  provider = provider.openai.main
  name     = "bold"
}

model "shy" {
  provider = provider.openai.main
  name     = "shy"
}

model "world" {
  provider = provider.openai.main
  name     = "world"
}

model "examiner" {
  provider = provider.openai.main
  name     = "examiner"
}

threat_source "jsonl" "cases" {
  path = "cases.jsonl"
}

evaluation "rollout" "runs" {
  input       = threat_source.jsonl.cases
  environment = model.world
  samples     = 3
  seed        = 5

  agent "bold" {
    model = model.bold
  }
  agent "shy" {
    model = model.shy
    guard = "reflection"
  }
  judge "run" "examiner" {
    model   = model.examiner
    repeats = 3
  }
}
