# option: var n=null
variable "n" {
  type     = number
  nullable = false
}
