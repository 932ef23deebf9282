autosafe {
  required_version = "newest"
}
