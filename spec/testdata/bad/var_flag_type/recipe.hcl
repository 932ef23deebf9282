# option: var samples=lots
# option: var list=[1,
variable "samples" { type = number }
variable "list" { type = list(number) }
