provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

dataset "a" {
  input = threat_source.catalog.pairs
  output "rows" { path = "dist/x" }
  output "openai_sft" { path = "dist//x/" }
  output "openai_sft" { path = "../elsewhere" }
  output "rows" { path = "/tmp/x" }
  output "rows" { path = "." }
  output "rows" { path = "dist/x/below" }
}
