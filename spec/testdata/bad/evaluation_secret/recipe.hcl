variable "token" {
  default   = "a-secret-token"
  sensitive = true
}

provider "openai" "main" {
  base_url = "https://api.example.com/v1"
  api_key  = var.token
}

model "m" {
  provider = provider.openai.main
  name     = "m-1"
}

threat_source "jsonl" "rows" { path = "recipe.hcl" }

evaluation "tasks" "leaks" {
  input    = threat_source.jsonl.rows
  model    = model.m
  baseline = null

  agent "plain" {}
  agent "open" {}
  judge "rubric" "quality" {
    model  = model.m
    prompt = "a-secret-token {{ .row.id }}"
  }
  group "g" { by = "row.x == 'a-secret-token'" }
  metric "m" {
    value = "row.x == 'a-secret-token'"
    doc   = "a-secret-token"
  }
  assert "a" {
    that    = "true"
    message = "a-secret-token"
  }
  reference "r" {
    source = "a-secret-token"
    values = {}
  }
  report {
    path  = "dist/a-secret-token"
    title = "a-secret-token"
  }
}

evaluation "tasks" "marked" {
  input = threat_source.jsonl.rows
  model = model.m
  agent "plain" {}
  assert "a" { that = "'${var.token}' == ''" }
}
