threat_source "catalog" "pairs" {}

distill "m" {
  input = threat_source.catalog.pairs
  mix "a" {
    by      = "row.domain"
    weights = { health = 0, finance = 1 }
    n       = 0
  }
  mix "b" {
    by      = "row.domain"
    weights = {}
  }
}
