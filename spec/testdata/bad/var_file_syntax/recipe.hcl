variable "samples" { type = number }
