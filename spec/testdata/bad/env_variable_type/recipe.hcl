# option: env AUTOSAFE_VAR_samples=x y
# option: env AUTOSAFE_VAR_unknown=1
variable "samples" { type = number }
