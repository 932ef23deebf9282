# option: var sampels=3
# option: var samples
variable "samples" { default = 1 }
