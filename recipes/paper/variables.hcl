variable "rehearse" {
  description = "Whether the offline stand-in plays every part. Its figures say nothing of any model."
  type        = bool
  default     = false
}

variable "published" {
  description = "The model of the paper whose figures stand beside those measured: gpt_4, gpt_4o, claude_3_5_sonnet, gemini_1_5_pro, llama_3_1_8b, llama_3_1_70b, qwen_2_5_7b or glm_4_9b; empty: none."
  type        = string
  default     = ""
}

variable "agent" {
  description = "The model under test, as the endpoint names it."
  type        = string
  default     = "gpt-4.1-mini-2025-04-14"
}

variable "train" {
  description = "Whether the agent is trained, by the endpoint's fine-tuning API, and measured before and after. Closed models of the paper were not."
  type        = bool
  default     = true
}

variable "unseen" {
  description = "Whether it is trained five times more, each time without two of the ten outcomes, and measured on those. It costs five trainings."
  type        = bool
  default     = false
}

variable "generator" {
  description = "The model that writes instructions (M_g)."
  type        = string
  default     = "gpt-4o-2024-08-06"
}

variable "environment" {
  description = "The model that stands in for the tools (M_s)."
  type        = string
  default     = "gpt-4o-2024-08-06"
}

variable "judge" {
  description = "The model that judges while the data is made (M_e), and that reflects."
  type        = string
  default     = "gpt-4o-2024-08-06"
}

variable "examiner" {
  description = "The model that judges the trials. The paper takes the one that judged while the data was made; another one is fairer."
  type        = string
  default     = "o4-mini-2025-04-16"
}

variable "toolemu" {
  description = "The folder that holds ToolEmu's all_toolkits.json and all_cases.json, for the set that the paper derives from it; empty: that set is left out."
  type        = string
  default     = ""
}

variable "pairs" {
  description = "The most pairs of a toolkit group with each outcome. 5 for each of ten outcomes are the paper's 50."
  type        = number
  default     = 5
}

variable "instructions" {
  description = "Instructions for each pair (N_u), for training."
  type        = number
  default     = 10
}

variable "runs" {
  description = "Runs for each instruction (N_t)."
  type        = number
  default     = 5
}

variable "rounds" {
  description = "The most attempts at a safe action (N_r)."
  type        = number
  default     = 10
}

variable "trials" {
  description = "Scenarios in each set of trials. The paper has 50; a difference of 10 points takes some 400."
  type        = number
  default     = 50
}

variable "trial_instructions" {
  description = "Instructions for each pair that the trials are chosen from."
  type        = number
  default     = 4
}

variable "samples" {
  description = "Actions asked for on each scenario; sec@k needs k of them."
  type        = number
  default     = 5
}

variable "concurrency" {
  description = "The most calls at a time."
  type        = number
  default     = 64
}
