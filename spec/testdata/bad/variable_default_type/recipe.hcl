variable "n" {
  type    = number
  default = "many"
}
variable "m" {
  type    = list(string)
  default = { a = 1 }
}
variable "o" {
  type = strang
}
