provider "offline" "demo" {}

model "m" {
  provider = provider.offline.demo
}

threat_source "catalog" "pairs" {}

simulator "instructions" "cases" {
  input = threat_source.catalog.pairs
  model = model.m
}

judge "rubric" "a" {
  input  = simulator.instructions.cases
  model  = model.m
  schema = "object"
}
judge "rubric" "b" {
  input  = simulator.instructions.cases
  model  = model.m
  schema = { description = "anything" }
}
judge "rubric" "c" {
  input  = simulator.instructions.cases
  model  = model.m
  schema = {
    type = "object"
    properties = {
      score = { type = "interger" }
    }
  }
}
judge "rubric" "d" {
  input  = simulator.instructions.cases
  model  = model.m
  schema = {
    type       = "object"
    properties = { score = { type = "integer" } }
    required   = ["score", "reason"]
  }
}
judge "rubric" "e" {
  input  = simulator.instructions.cases
  model  = model.m
  schema = { type = "object", properties = ["score"] }
}
judge "rubric" "pattern" {
  input  = simulator.instructions.cases
  model  = model.m
  schema = {
    type       = "object"
    properties = { code = { type = "string", pattern = "[a-" } }
  }
}
judge "rubric" "ref" {
  input  = simulator.instructions.cases
  model  = model.m
  schema = {
    type       = "object"
    properties = { code = { "$ref" = "https://example.test/schema.json" } }
  }
}
judge "rubric" "bounds" {
  input  = simulator.instructions.cases
  model  = model.m
  schema = {
    type       = "object"
    properties = { score = { type = "integer", minimum = 3, maximum = 0 } }
  }
}
judge "rubric" "between" {
  input  = simulator.instructions.cases
  model  = model.m
  schema = {
    type       = "object"
    properties = { score = { type = "number", minimum = 1, exclusiveMaximum = 1 } }
  }
}
judge "rubric" "choice" {
  input  = simulator.instructions.cases
  model  = model.m
  schema = {
    type       = "object"
    properties = {
      label = { type = "string", enum = [1, 2] }
    }
  }
}
judge "rubric" "no_choice" {
  input  = simulator.instructions.cases
  model  = model.m
  schema = {
    type       = "object"
    properties = { label = { enum = [] } }
  }
}
judge "rubric" "constant" {
  input  = simulator.instructions.cases
  model  = model.m
  schema = {
    type       = "object"
    properties = { label = { type = ["integer", "null"], const = 0.5 } }
  }
}
