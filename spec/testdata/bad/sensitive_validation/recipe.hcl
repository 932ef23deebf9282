variable "other" {
  type      = string
  default   = "correct-horse-battery"
  sensitive = true
  validation {
    condition     = length(var.other) > 100
    error_message = "too short: ${var.other}"
  }
}
