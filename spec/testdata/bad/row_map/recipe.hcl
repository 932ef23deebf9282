threat_source "jsonl" "a" {
  path = "data.jsonl"
  map = {
    instruction = "record.prompt"
    outcome     = "record.kind =="
    tools       = "row.tools"
  }
}
