# option: env MY_ENDPOINT_CODE=abcdefgh12345
provider "openai" "main" {
  api_key = "sk-written-out-here"
  headers = { "X-Code" = env("MY_ENDPOINT_CODE") }
}
model "m" {
  provider = provider.openai.main
  name     = "x"
}
threat_source "catalog" "pairs" {
  outcomes = ["the key is sk-written-out-here"]
}
simulator "instructions" "a" {
  input  = threat_source.catalog.pairs
  model  = model.m
  prompt = "Use ${env("MY_ENDPOINT_CODE")}"
}
distill "d" {
  input = simulator.instructions.a
  filter "x" { keep = "row.outcome != 'sk-written-out-here'" }
}
