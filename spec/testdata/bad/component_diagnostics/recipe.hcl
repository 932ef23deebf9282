provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

simulator "instructions" "a" {
  input = threat_source.catalog.pairs
  model = model.m
  mix = {
    normal    = 0.5
    malicious = 1.5
  }
}
threat_source "acme_tickets" "b" {
  rule "x" { weights = [1] }
  rule "y" {
    weights = [
      0.5,
      -1,
    ]
  }
}
