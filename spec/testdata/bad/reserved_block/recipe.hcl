evaluation "x" {
  input = dataset.y
}
evaluation "a" "b" {}
