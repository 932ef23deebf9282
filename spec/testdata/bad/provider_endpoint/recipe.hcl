provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

provider "openai" "a" { proxy = "socks4://user:hunter2hunter2@proxy.example:1080" }
provider "openai" "b" { ca_file = "no-such.pem" }
provider "openai" "c" { ca_file = "recipe.hcl" }
provider "openai" "d" { ca_file = "." }
provider "openai" "e" {
  outage = "forever"
  weight = 0
}
provider "azure" "f" {
  base_url = "https://x.openai.azure.com/openai/v1"
  query    = { "api-version" = "2024-10-21" }
}
provider "openai" "g" {
  limits { input_tokens_per_minute = 0 }
}
provider "openai" "h" {
  headers = { X-Key = "one\ntwo" }
  api_key = "key-of-two\nlines"
}
