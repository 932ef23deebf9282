variable "a" {}
variable "a" {}
locals {
  b = 1
}
locals {
  b = 2
}
