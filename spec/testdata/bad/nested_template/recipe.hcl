threat_source "acme_tickets" "a" {
  rule "x" {
    weights = [1]
    text    = "{{ .topik }}"
  }
}
