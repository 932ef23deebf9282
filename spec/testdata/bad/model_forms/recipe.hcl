provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

model "a" {
  provider  = provider.offline.demo
  tool_form = "natve"
  mode      = "Batch"
  extra_body = {
    top_k       = 40
    temperature = 0.5
    stream      = true
    n           = 2
    max_completion_tokens = 5
  }
  batch {
    max_requests = 0
    max_bytes    = 10
    wait         = "-1s"
  }
  price {
    input        = 1
    output       = 2
    cached_input = -1
    batch_share  = 2
  }
}
model "b" {
  provider   = provider.offline.demo
  extra_body = [1, 2]
}
model "c" {
  provider   = provider.offline.demo
  extra_body = { metadata = { run = provider.offline.demo } }
}
