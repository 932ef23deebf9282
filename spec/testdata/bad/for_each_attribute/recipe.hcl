threat_source "catalog" "a" {
  for_each = toset(["finance", "health"])
}
distill "f" { input = threat_source.catalog.a.finance }
