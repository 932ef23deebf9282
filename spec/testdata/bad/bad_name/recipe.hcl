threat_source "catalog" "has space" {}
