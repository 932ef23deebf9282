threat_source "acme_tickets" "a" {
  rule "x" { weights = [1, "two"] }
  rule "y" { weigths = [1] }
  rule {}
}
threat_source "acme_tickets" "b" {
  rule "p" { weights = [1] }
  rule "q" { weights = [1] }
  rule "r" { weights = [1] }
  rule "s" { weights = [1] }
}
