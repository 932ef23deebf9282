provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

provider "openai" "a" { base_url = "api.openai.com/v1" }
provider "openai" "b" { base_url = "https://user:hunter2hunter2@example.com/v1" }
provider "openai" "c" { base_url = "https://example.com/v1?x=1" }
provider "openai" "d" { timeout = "2 minutes" }
provider "openai" "e" {
  retries = -1
  limits { concurrency = 0 }
}
provider "openai" "f" {
  headers = { "bad header" = "x" }
  limits { concurency = 3 }
}
