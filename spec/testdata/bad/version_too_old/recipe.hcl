autosafe {
  required_version = ">= 9.0.0"
}
nonsense "x" {}
