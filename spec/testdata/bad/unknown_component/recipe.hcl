threat_source "catalogue" "a" {}
simulator "catalog" "b" { input = threat_source.catalogue.a }
judge "acme_quality" "c" { input = threat_source.catalogue.a }
