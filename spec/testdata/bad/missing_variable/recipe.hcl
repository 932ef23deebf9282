variable "count" {
  type        = number
  description = "How many instructions to write."
}
variable "name" {}
