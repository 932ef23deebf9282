# option: var-file testdata/bad/var_file_missing/none.hclvars
variable "samples" { type = number }
