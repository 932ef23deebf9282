threat_source "catalog" "a" {
  domains = ["finance"
}
