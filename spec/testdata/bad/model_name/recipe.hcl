provider "openai" "main" {}
model "a" {
  provider = provider.openai.main
}
threat_source "catalog" "pairs" {}
simulator "instructions" "a" {
  input = threat_source.catalog.pairs
  model = model.a
}
