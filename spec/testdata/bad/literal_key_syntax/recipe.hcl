provider "openai" "main" {
  api_key = "sk-written-out-here" x
}
