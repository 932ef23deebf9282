provider "openai" "main" {}
model "a" {
  provider = provider.opnai.main
  name     = "x"
}
model "b" {
  provider = provider.offline.main
}
model "c" {
  provider = provider.main
}
model "d" {
  provider = "provider.openai.main"
  name     = "x"
}
model "e" {
  provider = model.d
}
