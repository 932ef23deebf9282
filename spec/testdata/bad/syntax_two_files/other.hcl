model "x" {
  provider = 
}
