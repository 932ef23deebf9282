provider "offline" "demo" {}
model "m" {}
simulator "instructions" "cases" {
}
distill "d" {
  input = simulator.instructions.cases
  filter "x" {}
  balance "y" {}
  limit "z" {}
}
