threat_source "jsonl" "a" { path = "none.jsonl" }
threat_source "jsonl" "b" { path = ["recipe.hcl", "*.csv"] }
threat_source "jsonl" "c" { path = "[" }
threat_source "jsonl" "d" { path = "" }
threat_source "jsonl" "e" { path = 5 }
threat_source "jsonl" "f" { path = { a = "b" } }
threat_source "jsonl" "g" { path = "/dev/null" }
