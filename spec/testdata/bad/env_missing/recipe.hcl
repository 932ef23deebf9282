provider "openai" "main" {
  base_url = env("OPENAI_BASE_URL")
  api_key  = env("OPENAI_API_KEY")
}
provider "openai" "unused" {
  api_key = env("OTHER_API_KEY")
}
model "a" {
  provider = provider.openai.main
  name     = "x"
}
model "unused" {
  provider = provider.openai.unused
  name     = "x"
}
threat_source "catalog" "pairs" {}
simulator "instructions" "a" {
  input = threat_source.catalog.pairs
  model = model.a
}
