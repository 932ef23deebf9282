# What is measured, and on what. Every set of trials is made anew, with
# instructions of its own: nothing is trained on them.

# The set that is shaped as SEDA, the paper's own: risky situations of the agent as
# it is, in the shares of the six scenario classes that the paper gives. One
# situation for each instruction.
simulator "instructions" "trials" {
  input    = distill.pairs
  model    = model.generator
  count    = var.trial_instructions
  mix      = { normal = 0.3, underspecified = 0.4, malicious = 0.3 }
  seed     = 99
  on_error = "drop"
}

simulator "trajectory" "trials" {
  input       = simulator.instructions.trials
  agent       = model.plain
  environment = model.environment
  judge       = model.judge
  samples     = var.runs
  on_error    = "drop"
}

distill "risky" {
  input = simulator.trajectory.trials

  filter "scenarios" {
    keep = "row.kind == 'scenario'"
  }
  dedupe "instructions" {
    by = "row.instruction"
  }
}

distill "seda" {
  input = distill.risky

  mix "classes" {
    by      = "row.scenario_class"
    n       = var.trials
    weights = { N-N = 16, U-N = 36, M-N = 22, N-M = 12, U-M = 8, M-M = 6 }
    seed    = 1
  }
}

evaluation "next_action" "seda" {
  input    = distill.seda
  samples  = var.samples
  baseline = "plain"
  on_error = "drop"

  agent "plain" {
    model = model.plain
  }
  agent "naive" {
    model = model.plain
    guard = "hints"
  }
  agent "reminder" {
    model = model.plain
    guard = "reminder"
  }
  agent "reflection" {
    model = model.plain
    guard = "reflection"
  }
  agent "tuned" {
    model   = model.tuned
    enabled = var.train
  }
  judge "action" "examiner" {
    model = model.examiner
  }
  # The judge that made the data, as in the paper: its votes are compared, they do
  # not count.
  judge "action" "data_judge" {
    model  = model.judge
    counts = false
  }
  reference "published" {
    source = "Zhou et al., arXiv 2505.17735, sec@k on SEDA"
    values = local.reference.seda
  }
  report {
    path  = "dist/seda"
    title = "Next action, a set shaped as SEDA"
  }
}

# The set that is derived from ToolEmu: its instructions and tools, run until the
# first unsafe action. It has no malicious instructions.
threat_source "toolemu" "cases" {
  path    = var.toolemu
  enabled = local.with_toolemu
}

simulator "trajectory" "toolemu" {
  input       = threat_source.toolemu.cases
  agent       = model.plain
  environment = model.environment
  judge       = model.judge
  samples     = var.runs
  on_error    = "drop"
  enabled     = local.with_toolemu
}

distill "toolemu" {
  input   = simulator.trajectory.toolemu
  enabled = local.with_toolemu

  filter "scenarios" {
    keep = "row.kind == 'scenario'"
  }
  dedupe "instructions" {
    by = "row.instruction"
  }
  mix "classes" {
    by      = "row.scenario_class"
    n       = var.trials
    weights = { N-N = 20, U-N = 62, N-M = 14, U-M = 4 }
    seed    = 1
  }
}

evaluation "next_action" "toolemu" {
  input    = distill.toolemu
  samples  = var.samples
  baseline = "plain"
  on_error = "drop"
  enabled  = local.with_toolemu

  agent "plain" {
    model = model.plain
  }
  agent "naive" {
    model = model.plain
    guard = "hints"
  }
  agent "reminder" {
    model = model.plain
    guard = "reminder"
  }
  agent "reflection" {
    model = model.plain
    guard = "reflection"
  }
  agent "tuned" {
    model   = model.tuned
    enabled = var.train
  }
  judge "action" "examiner" {
    model = model.examiner
  }
  judge "action" "data_judge" {
    model  = model.judge
    counts = false
  }
  reference "published" {
    source = "Zhou et al., arXiv 2505.17735, sec@k on ToolEmu"
    values = local.reference.toolemu
  }
  report {
    path  = "dist/toolemu"
    title = "Next action, a set derived from ToolEmu"
  }
}

# Both sets together, as the paper breaks them down by domain, class and outcome.
# Every trial of it was made above, so that it asks nobody.
evaluation "next_action" "merged" {
  input    = [distill.seda, distill.toolemu]
  samples  = var.samples
  baseline = "plain"
  on_error = "drop"
  enabled  = local.with_toolemu

  agent "plain" {
    model = model.plain
  }
  agent "naive" {
    model = model.plain
    guard = "hints"
  }
  agent "tuned" {
    model   = model.tuned
    enabled = var.train
  }
  judge "action" "examiner" {
    model = model.examiner
  }
  reference "published" {
    source = "Zhou et al., arXiv 2505.17735, sec@1 on both sets, read off figures"
    values = {}
    by     = local.reference.by
  }
  report {
    path  = "dist/merged"
    title = "Next action, both sets by domain, class and outcome"
  }
}

# The terminal: commands that are carried out, and judged by what they leave behind.
# The paper kept 32 of 50 cases; so does the core of this set.
threat_source "terminal_tasks" "core" {
  set = "core"
}

evaluation "terminal" "terminal" {
  input    = threat_source.terminal_tasks.core
  samples  = 1
  one_step = true
  baseline = "plain"
  on_error = "drop"

  agent "plain" {
    model = model.plain
  }
  agent "tuned" {
    model   = model.tuned
    enabled = var.train
  }
  reference "published" {
    source = "Zhou et al., arXiv 2505.17735, real terminal cases"
    values = local.reference.terminal
  }
  report {
    path  = "dist/terminal"
    title = "Terminal"
  }
}

# Utility: whole runs in the simulator on the same scenarios. The paper had people
# say whether the instruction was met.
evaluation "rollout" "utility" {
  input       = distill.seda
  samples     = 1
  environment = model.environment
  baseline    = "plain"
  on_error    = "drop"

  agent "plain" {
    model = model.plain
  }
  agent "tuned" {
    model   = model.tuned
    enabled = var.train
  }
  judge "run" "examiner" {
    model = model.examiner
  }
  reference "published" {
    source = "Zhou et al., arXiv 2505.17735, utility on SEDA, by people"
    values = local.reference.utility
  }
  report {
    path  = "dist/utility"
    title = "Utility of whole runs"
  }
}

# What the paper does not measure: whether harmless tasks that look alike are still
# done. Nobody has published figures for these.
simulator "twins" "benign" {
  input    = distill.seda
  model    = model.generator
  on_error = "drop"
}

evaluation "next_action" "benign" {
  input    = simulator.twins.benign
  samples  = var.samples
  baseline = "plain"
  on_error = "drop"

  agent "plain" {
    model = model.plain
  }
  agent "naive" {
    model = model.plain
    guard = "hints"
  }
  agent "reminder" {
    model = model.plain
    guard = "reminder"
  }
  agent "reflection" {
    model = model.plain
    guard = "reflection"
  }
  agent "tuned" {
    model   = model.tuned
    enabled = var.train
  }
  judge "action" "examiner" {
    model = model.examiner
  }
  report {
    path  = "dist/benign"
    title = "Harmless tasks that look alike"
  }
}

# Risks that were not trained on: for each pair of outcomes, an agent that was
# trained without them beside one that was trained on all.
distill "unseen" {
  for_each = local.unseen
  input    = distill.risky

  filter "pair" {
    keep = "row.outcome in ${jsonencode(each.value)}"
  }
  limit "as_many" {
    max  = 22
    seed = 1
  }
}

evaluation "next_action" "unseen" {
  for_each = local.unseen
  input    = distill.unseen[each.key]
  samples  = 1
  baseline = "plain"
  on_error = "drop"

  agent "plain" {
    model = model.plain
  }
  agent "seen" {
    model = finetune.openai.tuned
  }
  agent "unseen" {
    model = finetune.openai.seen[each.key]
  }
  judge "action" "examiner" {
    model = model.examiner
  }
  reference "published" {
    source = "Zhou et al., arXiv 2505.17735, unseen risks on SEDA, read off a figure"
    values = lookup(local.reference.unseen, each.key, {})
  }
  report {
    path  = "dist/unseen/${each.key}"
    title = "Unseen risks: ${replace(each.key, "_", " and ")}"
  }
}

locals {
  with_toolemu = var.toolemu != ""
  nothing      = { seda = {}, toolemu = {}, terminal = {}, utility = {}, unseen = {}, by = {} }
  reference    = var.published == "" ? local.nothing : local.published[var.published]
}
