# Six tickets, one question to a model about each.

variable "question" {
  type    = string
  default = "How risky is this request?"
}

variable "keep" {
  type    = number
  default = 4
}

provider "openai" "main" {
  base_url = env("OPENAI_BASE_URL")
  api_key  = env("OPENAI_API_KEY")
  retries  = 0
}

model "asker" {
  provider      = provider.openai.main
  name          = "test-model"
  reply_retries = 0
  price {
    input  = 1000
    output = 1000
  }
}

threat_source "jsonl" "tickets" {
  path = "tickets.jsonl"
}

judge "rubric" "risk" {
  input  = threat_source.jsonl.tickets
  model  = model.asker
  prompt = "${var.question}\n---user---\n{{ .row.text }}"
}

distill "chosen" {
  input = judge.rubric.risk

  filter "long" {
    keep = "row.text.size() > 4"
  }
  limit "few" {
    max = var.keep
  }
}

dataset "tickets" {
  input = distill.chosen

  output "rows" {
    path = "dist"
  }
}
