# option: var secret=correct horse
# option: env SERVICE_TOKEN=battery staple
variable "secret" {
  type      = string
  sensitive = true
}
locals {
  half = "x${var.secret}"
}
provider "offline" "demo" {}
model "m" {
  provider = provider.offline.demo
  name     = var.secret
}
threat_source "catalog" "pairs" {
  outcomes = [local.half]
}
threat_source "acme_tickets" "ok" {
  token = var.secret
}
simulator "instructions" "a" {
  input  = threat_source.catalog.pairs
  model  = model.m
  prompt = "Use ${env("SERVICE_TOKEN")}"
}
threat_source "catalog" "c" {
  for_each = { (var.secret) = 1 }
}
