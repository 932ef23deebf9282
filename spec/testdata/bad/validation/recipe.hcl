# option: var n=3
variable "n" {
  type = number
  validation {
    condition     = var.n > 5
    error_message = "n must be above 5, so that each class has a row."
  }
}
