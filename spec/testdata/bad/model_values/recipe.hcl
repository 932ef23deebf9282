provider "openai" "main" {}
provider "offline" "demo" {}
model "a" {
  provider    = provider.openai.main
  name        = "x"
  temperature = -1
  top_p       = 2
  max_tokens  = 1.5
  stop        = "END"
  structured  = "json"
  price {
    input = 1
  }
}
model "b" {
  provider = provider.openai.main
  name     = ""
  stop     = [""]
}
