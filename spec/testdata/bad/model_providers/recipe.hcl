provider "openai" "east" { base_url = "https://east.example/v1" }
provider "openai" "west" { base_url = "https://west.example/v1" }
provider "openai" "pool" {
  base_url = "https://pool.example/v1"
  identity = "pool"
}
provider "offline" "demo" {}

model "strangers" {
  provider = [provider.openai.east, provider.openai.west]
  name     = "m"
}
model "twice" {
  provider = [
    provider.openai.east,
    provider.openai.east,
  ]
  name = "m"
}
model "mixed" {
  provider = [provider.openai.east, provider.offline.demo]
  name     = "m"
}
model "none" {
  provider = []
  name     = "m"
}
model "text" {
  provider = [provider.openai.east, "provider.openai.west"]
  name     = "m"
}

threat_source "catalog" "pairs" {}

simulator "instructions" "strangers" {
  input = threat_source.catalog.pairs
  model = model.strangers
}
simulator "instructions" "twice" {
  input = threat_source.catalog.pairs
  model = model.twice
}
simulator "instructions" "mixed" {
  input = threat_source.catalog.pairs
  model = model.mixed
}
simulator "instructions" "none" {
  input = threat_source.catalog.pairs
  model = model.none
}
simulator "instructions" "text" {
  input = threat_source.catalog.pairs
  model = model.text
}
