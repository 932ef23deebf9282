threat_source "catalog" "a" {
  domains = [each.key]
}
threat_source "catalog" "b" {
  for_each = { x = each.key }
}
threat_source "catalog" "c" {
  for_each = { x = 1 }
  domains  = [each.name]
}
