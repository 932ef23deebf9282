threat_source "catalog" {}
model "a" "b" {}
