threat_source "acme_tickets" "a" {
  rule "x" { weights = [1, "two"] }
  rule "z" { weights = { a = 1 } }
  rule "w" { weights = null }
}
