autosafe {
  required_plugins {
    a = { source = "github.com/x/a" }
  }
}
autosafe {
  required_plugins {
    a = { source = "github.com/x/b" }
  }
}
