threat_source "catalog" "a" {
  for_each = toset(["finance", "health"])
  domains  = [each.key]
}
threat_source "catalog" "b" {}
distill "c" { input = threat_source.catalog.a["finanse"] }
distill "d" { input = threat_source.catalog.b["x"] }
distill "e" { input = threat_source.catalog.a[0] }
