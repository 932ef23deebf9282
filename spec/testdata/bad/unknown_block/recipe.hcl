threat_sorce "catalog" "a" {}
pipeline "x" {}
