threat_source "catalog" "pairs" {}

dataset "a" {
  input = threat_source.catalog.pairs
  card {
    path           = "dist/a"
    licence        = "apache"
    license        = "apach-2.0"
    licence_link   = "https://example.org/licence"
    language       = ["en", "English"]
    tags           = ["one", ""]
    pretty_name    = "two\nlines"
    creator        = { name = "Ada", url = "example.org" }
    url            = "ftp://example.org"
    date_published = "21.11.2026"
  }
  output "rows" { path = "dist/rows" }
  output "rows" { path = "dist/a" }
  output "openai_sft" { path = "dist/a/Plots/x" }
}

dataset "b" {
  input = threat_source.catalog.pairs
  card {
    path    = "dist/b"
    licence = "other"
  }
  output "rows" { path = "dist/b/rows" }
}

dataset "c" {
  input = threat_source.catalog.pairs
  card { path = "/tmp/x" }
  output "rows" { path = "dist/b/c" }
}

dataset "d" {
  input = threat_source.catalog.pairs
  card {
    path    = "dist/d"
    creator = { name = "Ada", nickname = "x" }
    lineage = "perhaps"
  }
  output "rows" { path = "dist/d/rows" }
}
