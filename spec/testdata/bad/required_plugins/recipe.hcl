autosafe {
  required_plugins {
    a = { source = "github.com/x/a", verison = "1" }
    b = { version = "~> 1.0" }
    c = "github.com/x/c"
    d = { source = "github.com/x/d", version = "one" }
    e = { source = 5 }
  }
}
