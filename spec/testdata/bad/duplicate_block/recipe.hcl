threat_source "catalog" "a" {}
threat_source "catalog" "a" {}
