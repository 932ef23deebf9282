# Maintained by "autosafe init". Keep it with the recipe, and do not edit it.

plugin "example.com/a/b" {
  version  = "0.1.0-rc.1+build.5"
  protocol = 1
  hashes = {
    linux_arm64 = "sha256:abababababababababababababababababababababababababababababababab"
  }
}

plugin "github.com/acme/autosafe-plugin-acme" {
  version     = "1.2.3"
  constraints = "~> 1.2"
  protocol    = 1
  signing_key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
  hashes = {
    darwin_arm64  = "sha256:5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f5f"
    linux_amd64   = "sha256:9b9b9b9b9b9b9b9b9b9b9b9b9b9b9b9b9b9b9b9b9b9b9b9b9b9b9b9b9b9b9b9b"
    windows_amd64 = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
  }
  grant "acme" {
    network = ["api.example.com:443", "example.org:80"]
    read    = ["data/", "with \"quotes\" and $${x} and %%{y}\n\u202e"]
  }
  grant "other" {
    env = ["ACME_TOKEN"]
  }
}
