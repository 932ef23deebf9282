threat_source "catalog" "pairs" {}

dataset "a" {
  input = threat_source.catalog.pairs
  card {
    prety_name = "x"
  }
  card {
    path = "dist/a"
  }
  output "rows" { path = "dist/a/rows" }
}
