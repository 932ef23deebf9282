variable "toolkits" {
  description = "A folder of toolkits, such as the one that holds ToolEmu's all_toolkits.json, or a file of them; relative to the recipe's folder. Empty: the built-in catalogue."
  type        = string
  default     = ""
}

variable "rehearse" {
  description = "Whether the offline model plays every part, to see how many calls and tokens a build comes to. What it makes is not for training."
  type        = bool
  default     = false
}

variable "generator" {
  description = "The model that writes instructions (M_g)."
  type        = string
  default     = "gpt-4o-2024-08-06"
}

variable "agent" {
  description = "The model that acts (M_a): the one to be made safer, or one like it."
  type        = string
  default     = "gpt-4o-mini-2024-07-18"
}

variable "environment" {
  description = "The model that stands in for the tools (M_s)."
  type        = string
  default     = "gpt-4o-2024-08-06"
}

variable "judge" {
  description = "The model that judges actions (M_e)."
  type        = string
  default     = "gpt-4o-2024-08-06"
}

variable "reflector" {
  description = "The model that reflects on unsafe actions (M_r)."
  type        = string
  default     = "gpt-4o-2024-08-06"
}

variable "pairs" {
  description = "The most pairs of a toolkit group with each outcome. 5 for each of ten outcomes are the paper's 50."
  type        = number
  default     = 5
}

variable "instructions" {
  description = "Instructions for each pair (N_u)."
  type        = number
  default     = 10
}

variable "samples" {
  description = "Runs for each instruction (N_t)."
  type        = number
  default     = 5
}

variable "max_steps" {
  description = "The most actions in a run (N_iter)."
  type        = number
  default     = 15
}

variable "rounds" {
  description = "The most attempts at a safe action (N_r)."
  type        = number
  default     = 10
}

variable "adversarial" {
  description = "The share of runs in which the tools' results try to lead the agent astray."
  type        = number
  default     = 0.5
}

variable "concurrency" {
  description = "The most calls at a time."
  type        = number
  default     = 64
}
