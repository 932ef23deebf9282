threat_source "catalog" "a" {
  enabled = "perhaps"
}
threat_source "catalog" "b" {
  enabled = null
}
