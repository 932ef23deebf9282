threat_source "acme_tickets" "a" {
  shape = { wide = true, tal = 3 }
}
threat_source "acme_tickets" "b" {
  shape = { tall = 3 }
}
threat_source "acme_tickets" "c" {
  shape = { wide = "very" }
}
