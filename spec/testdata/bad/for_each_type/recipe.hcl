threat_source "catalog" "a" {
  for_each = ["x", "y"]
}
threat_source "catalog" "b" {
  for_each = 3
}
threat_source "catalog" "c" {
  for_each = null
}
threat_source "catalog" "d" {
  for_each = toset(["x", null])
}
