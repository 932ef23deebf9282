# What the paper reports (Zhou et al., arXiv 2505.17735), as shares of 1, to stand
# beside what is measured here. Each figure rests on about 50 scenarios (32 for the
# terminal, about 22 for each held-out pair) and has no interval in the paper. Some
# cells there can only come from fewer: where a sample could not be read it seems to
# have been left out.
#
# "by" is sec@1 on both sets together, read off figures: by domain, class and outcome.
#
# The paper's "Naive" hands the case's risks and achievements to the agent, so it is
# the agent "naive" here. Its authors' code has one sentence instead: "reminder".

locals {
  # Next action on a fixed prefix, sec@1, 3 and 5: the tables of closed and open models.
  published = {
    gpt_4 = {
      seda = {
        plain      = { sec_at_1 = 0.13, sec_at_3 = 0.13, sec_at_5 = 0.13 }
        naive      = { sec_at_1 = 0.306, sec_at_3 = 0.245, sec_at_5 = 0.245 }
        reflection = { sec_at_1 = 0.32, sec_at_3 = 0.3, sec_at_5 = 0.26 }
      }
      toolemu = {
        plain      = { sec_at_1 = 0.286, sec_at_3 = 0.143, sec_at_5 = 0.082 }
        naive      = { sec_at_1 = 0.308, sec_at_3 = 0.165, sec_at_5 = 0.104 }
        reflection = { sec_at_1 = 0.3, sec_at_3 = 0.26, sec_at_5 = 0.26 }
      }
      terminal = { plain = { sec_at_1 = 0.187 } }
      utility  = {}
      unseen   = {}
      by = {
        domain = {
          entertainment = { plain = { sec_at_1 = 0.088 }, naive = { sec_at_1 = 0.218 } }
          business      = { plain = { sec_at_1 = 0.196 }, naive = { sec_at_1 = 0.226 } }
          health        = { plain = { sec_at_1 = 0.278 }, naive = { sec_at_1 = 0.278 } }
          finance       = { plain = { sec_at_1 = 0.178 }, naive = { sec_at_1 = 0.244 } }
        }
      }
    }
    gpt_4o = {
      seda = {
        plain      = { sec_at_1 = 0.179, sec_at_3 = 0.089, sec_at_5 = 0.067 }
        naive      = { sec_at_1 = 0.367, sec_at_3 = 0.367, sec_at_5 = 0.327 }
        reflection = { sec_at_1 = 0.16, sec_at_3 = 0.14, sec_at_5 = 0.1 }
      }
      toolemu = {
        plain      = { sec_at_1 = 0.347, sec_at_3 = 0.306, sec_at_5 = 0.265 }
        naive      = { sec_at_1 = 0.388, sec_at_3 = 0.306, sec_at_5 = 0.28 }
        reflection = { sec_at_1 = 0.26, sec_at_3 = 0.22, sec_at_5 = 0.14 }
      }
      terminal = { plain = { sec_at_1 = 0.219 } }
      utility  = {}
      unseen   = {}
      by = {
        domain = {
          entertainment = { plain = { sec_at_1 = 0.237 }, naive = { sec_at_1 = 0.429 } }
          business      = { plain = { sec_at_1 = 0.329 }, naive = { sec_at_1 = 0.389 } }
          health        = { plain = { sec_at_1 = 0.222 }, naive = { sec_at_1 = 0.333 } }
          finance       = { plain = { sec_at_1 = 0.28 }, naive = { sec_at_1 = 0.28 } }
        }
      }
    }
    claude_3_5_sonnet = {
      seda = {
        plain      = { sec_at_1 = 0.267, sec_at_3 = 0.2, sec_at_5 = 0.13 }
        naive      = { sec_at_1 = 0.379, sec_at_3 = 0.267, sec_at_5 = 0.267 }
        reflection = { sec_at_1 = 0.44, sec_at_3 = 0.42, sec_at_5 = 0.38 }
      }
      toolemu = {
        plain      = { sec_at_1 = 0.3, sec_at_3 = 0.26, sec_at_5 = 0.26 }
        naive      = { sec_at_1 = 0.354, sec_at_3 = 0.313, sec_at_5 = 0.292 }
        reflection = { sec_at_1 = 0.36, sec_at_3 = 0.32, sec_at_5 = 0.3 }
      }
      terminal = { plain = { sec_at_1 = 0.25 } }
      utility  = {}
      unseen   = {}
      by = {
        domain = {
          entertainment = { plain = { sec_at_1 = 0.326 }, naive = { sec_at_1 = 0.392 } }
          business      = { plain = { sec_at_1 = 0.321 }, naive = { sec_at_1 = 0.389 } }
          health        = { plain = { sec_at_1 = 0.289 }, naive = { sec_at_1 = 0.3 } }
          finance       = { plain = { sec_at_1 = 0.24 }, naive = { sec_at_1 = 0.2 } }
        }
      }
    }
    gemini_1_5_pro = {
      seda = {
        plain      = { sec_at_1 = 0.28, sec_at_3 = 0.26, sec_at_5 = 0.24 }
        naive      = { sec_at_1 = 0.42, sec_at_3 = 0.36, sec_at_5 = 0.34 }
        reflection = { sec_at_1 = 0.2, sec_at_3 = 0.16, sec_at_5 = 0.12 }
      }
      toolemu = {
        plain      = { sec_at_1 = 0.38, sec_at_3 = 0.34, sec_at_5 = 0.32 }
        naive      = { sec_at_1 = 0.38, sec_at_3 = 0.36, sec_at_5 = 0.34 }
        reflection = { sec_at_1 = 0.28, sec_at_3 = 0.26, sec_at_5 = 0.22 }
      }
      terminal = { plain = { sec_at_1 = 0.25 } }
      utility  = {}
      unseen   = {}
      by = {
        domain = {
          entertainment = { plain = { sec_at_1 = 0.229 }, naive = { sec_at_1 = 0.347 } }
          business      = { plain = { sec_at_1 = 0.343 }, naive = { sec_at_1 = 0.421 } }
          health        = { plain = { sec_at_1 = 0.289 }, naive = { sec_at_1 = 0.311 } }
          finance       = { plain = { sec_at_1 = 0.413 }, naive = { sec_at_1 = 0.467 } }
        }
      }
    }
    llama_3_1_8b = {
      seda = {
        plain      = { sec_at_1 = 0.12, sec_at_3 = 0.06, sec_at_5 = 0.04 }
        naive      = { sec_at_1 = 0.28, sec_at_3 = 0.26, sec_at_5 = 0.18 }
        reflection = { sec_at_1 = 0.48, sec_at_3 = 0.46, sec_at_5 = 0.38 }
        tuned      = { sec_at_1 = 0.62, sec_at_3 = 0.6, sec_at_5 = 0.56 }
      }
      toolemu = {
        plain      = { sec_at_1 = 0.2, sec_at_3 = 0.14, sec_at_5 = 0.12 }
        naive      = { sec_at_1 = 0.28, sec_at_3 = 0.16, sec_at_5 = 0.16 }
        reflection = { sec_at_1 = 0.44, sec_at_3 = 0.42, sec_at_5 = 0.41 }
        tuned      = { sec_at_1 = 0.58, sec_at_3 = 0.56, sec_at_5 = 0.54 }
      }
      terminal = {
        plain = { sec_at_1 = 0.313 }
        tuned = { sec_at_1 = 0.625 }
      }
      utility = {
        plain = { useful_rate = 0.3 }
        tuned = { useful_rate = 0.74 }
      }
      unseen = {
        bias_privacy      = { plain = { sec_at_1 = 0.273 }, seen = { sec_at_1 = 0.682 }, unseen = { sec_at_1 = 0.636 } }
        computer_property = { plain = { sec_at_1 = 0.364 }, seen = { sec_at_1 = 0.773 }, unseen = { sec_at_1 = 0.773 } }
        data_ethics       = { plain = { sec_at_1 = 0.364 }, seen = { sec_at_1 = 0.682 }, unseen = { sec_at_1 = 0.636 } }
        financial_illegal = { plain = { sec_at_1 = 0.429 }, seen = { sec_at_1 = 0.773 }, unseen = { sec_at_1 = 0.682 } }
        physical_misc     = { plain = { sec_at_1 = 0.182 }, seen = { sec_at_1 = 0.546 }, unseen = { sec_at_1 = 0.5 } }
      }
      by = {
        domain = {
          entertainment = { plain = { sec_at_1 = 0.175 }, naive = { sec_at_1 = 0.294 }, tuned = { sec_at_1 = 0.633 } }
          business      = { plain = { sec_at_1 = 0.196 }, naive = { sec_at_1 = 0.275 }, tuned = { sec_at_1 = 0.593 } }
          health        = { plain = { sec_at_1 = 0.167 }, naive = { sec_at_1 = 0.156 }, tuned = { sec_at_1 = 0.489 } }
          finance       = { plain = { sec_at_1 = 0.12 }, naive = { sec_at_1 = 0.173 }, tuned = { sec_at_1 = 0.72 } }
        }
        scenario_class = {
          N-N = { plain = { sec_at_1 = 0.122 }, naive = { sec_at_1 = 0.144 }, tuned = { sec_at_1 = 0.567 } }
          N-M = { plain = { sec_at_1 = 0.246 }, naive = { sec_at_1 = 0.477 }, tuned = { sec_at_1 = 0.646 } }
          U-N = { plain = { sec_at_1 = 0.175 }, naive = { sec_at_1 = 0.208 }, tuned = { sec_at_1 = 0.558 } }
          U-M = { plain = { sec_at_1 = 0.086 }, naive = { sec_at_1 = 0.257 }, tuned = { sec_at_1 = 0.571 } }
          M-N = { plain = { sec_at_1 = 0.164 }, naive = { sec_at_1 = 0.273 }, tuned = { sec_at_1 = 0.6 } }
          M-M = { plain = { sec_at_1 = 0.267 }, naive = { sec_at_1 = 0.667 }, tuned = { sec_at_1 = 0.467 } }
        }
        outcome = {
          privacy_leak      = { plain = { sec_at_1 = 0.262 }, tuned = { sec_at_1 = 0.569 } }
          computer_security = { plain = { sec_at_1 = 0.275 }, tuned = { sec_at_1 = 0.65 } }
          financial_loss    = { plain = { sec_at_1 = 0.173 }, tuned = { sec_at_1 = 0.747 } }
          property_damage   = { plain = { sec_at_1 = 0.32 }, tuned = { sec_at_1 = 0.54 } }
          physical_health   = { plain = { sec_at_1 = 0.111 }, tuned = { sec_at_1 = 0.689 } }
          data_loss         = { plain = { sec_at_1 = 0.12 }, tuned = { sec_at_1 = 0.44 } }
          illegal_activity  = { plain = { sec_at_1 = 0.1 }, tuned = { sec_at_1 = 0.667 } }
          ethics            = { plain = { sec_at_1 = 0 }, tuned = { sec_at_1 = 0.567 } }
          bias              = { plain = { sec_at_1 = 0.125 }, tuned = { sec_at_1 = 0.55 } }
          miscellaneous     = { plain = { sec_at_1 = 0.06 }, tuned = { sec_at_1 = 0.32 } }
        }
      }
    }
    llama_3_1_70b = {
      seda = {
        plain      = { sec_at_1 = 0.163, sec_at_3 = 0.122, sec_at_5 = 0.102 }
        naive      = { sec_at_1 = 0.225, sec_at_3 = 0.16, sec_at_5 = 0.1 }
        reflection = { sec_at_1 = 0.58, sec_at_3 = 0.54, sec_at_5 = 0.52 }
        tuned      = { sec_at_1 = 0.64, sec_at_3 = 0.6, sec_at_5 = 0.58 }
      }
      toolemu = {
        plain      = { sec_at_1 = 0.2, sec_at_3 = 0.18, sec_at_5 = 0.18 }
        naive      = { sec_at_1 = 0.26, sec_at_3 = 0.2, sec_at_5 = 0.18 }
        reflection = { sec_at_1 = 0.46, sec_at_3 = 0.42, sec_at_5 = 0.4 }
        tuned      = { sec_at_1 = 0.64, sec_at_3 = 0.64, sec_at_5 = 0.58 }
      }
      terminal = {
        plain = { sec_at_1 = 0.375 }
        tuned = { sec_at_1 = 0.656 }
      }
      utility = {
        plain = { useful_rate = 0.877 }
        tuned = { useful_rate = 1 }
      }
      unseen = {
        bias_privacy      = { plain = { sec_at_1 = 0.364 }, seen = { sec_at_1 = 0.636 }, unseen = { sec_at_1 = 0.682 } }
        computer_property = { plain = { sec_at_1 = 0.182 }, seen = { sec_at_1 = 0.546 }, unseen = { sec_at_1 = 0.409 } }
        data_ethics       = { plain = { sec_at_1 = 0.364 }, seen = { sec_at_1 = 0.682 }, unseen = { sec_at_1 = 0.682 } }
        financial_illegal = { plain = { sec_at_1 = 0.455 }, seen = { sec_at_1 = 0.727 }, unseen = { sec_at_1 = 0.682 } }
        physical_misc     = { plain = { sec_at_1 = 0.182 }, seen = { sec_at_1 = 0.5 }, unseen = { sec_at_1 = 0.364 } }
      }
      by = {
        domain = {
          entertainment = { plain = { sec_at_1 = 0.122 }, naive = { sec_at_1 = 0.167 }, tuned = { sec_at_1 = 0.584 } }
          business      = { plain = { sec_at_1 = 0.218 }, naive = { sec_at_1 = 0.318 }, tuned = { sec_at_1 = 0.625 } }
          health        = { plain = { sec_at_1 = 0.144 }, naive = { sec_at_1 = 0.133 }, tuned = { sec_at_1 = 0.756 } }
          finance       = { plain = { sec_at_1 = 0.16 }, naive = { sec_at_1 = 0.173 }, tuned = { sec_at_1 = 0.533 } }
        }
        scenario_class = {
          N-N = { plain = { sec_at_1 = 0.178 }, naive = { sec_at_1 = 0.233 }, tuned = { sec_at_1 = 0.6 } }
          N-M = { plain = { sec_at_1 = 0.385 }, naive = { sec_at_1 = 0.4 }, tuned = { sec_at_1 = 0.631 } }
          U-N = { plain = { sec_at_1 = 0.179 }, naive = { sec_at_1 = 0.2 }, tuned = { sec_at_1 = 0.604 } }
          U-M = { plain = { sec_at_1 = 0.086 }, naive = { sec_at_1 = 0.343 }, tuned = { sec_at_1 = 0.571 } }
          M-N = { plain = { sec_at_1 = 0.145 }, naive = { sec_at_1 = 0.145 }, tuned = { sec_at_1 = 0.636 } }
          M-M = { plain = { sec_at_1 = 0 }, naive = { sec_at_1 = 0.4 }, tuned = { sec_at_1 = 0.667 } }
        }
        outcome = {
          privacy_leak      = { plain = { sec_at_1 = 0.2 }, tuned = { sec_at_1 = 0.506 } }
          computer_security = { plain = { sec_at_1 = 0.325 }, tuned = { sec_at_1 = 0.662 } }
          financial_loss    = { plain = { sec_at_1 = 0.253 }, tuned = { sec_at_1 = 0.587 } }
          property_damage   = { plain = { sec_at_1 = 0.22 }, tuned = { sec_at_1 = 0.66 } }
          physical_health   = { plain = { sec_at_1 = 0.156 }, tuned = { sec_at_1 = 0.867 } }
          data_loss         = { plain = { sec_at_1 = 0.2 }, tuned = { sec_at_1 = 0.68 } }
          illegal_activity  = { plain = { sec_at_1 = 0.233 }, tuned = { sec_at_1 = 0.767 } }
          ethics            = { plain = { sec_at_1 = 0 }, tuned = { sec_at_1 = 0.667 } }
          bias              = { plain = { sec_at_1 = 0.3 }, tuned = { sec_at_1 = 0.7 } }
          miscellaneous     = { plain = { sec_at_1 = 0.02 }, tuned = { sec_at_1 = 0.52 } }
        }
      }
    }
    qwen_2_5_7b = {
      seda = {
        plain      = { sec_at_1 = 0.2, sec_at_3 = 0.14, sec_at_5 = 0.12 }
        naive      = { sec_at_1 = 0.26, sec_at_3 = 0.16, sec_at_5 = 0.12 }
        reflection = { sec_at_1 = 0.26, sec_at_3 = 0.2, sec_at_5 = 0.18 }
        tuned      = { sec_at_1 = 0.68, sec_at_3 = 0.64, sec_at_5 = 0.62 }
      }
      toolemu = {
        plain      = { sec_at_1 = 0.32, sec_at_3 = 0.26, sec_at_5 = 0.24 }
        naive      = { sec_at_1 = 0.36, sec_at_3 = 0.26, sec_at_5 = 0.26 }
        reflection = { sec_at_1 = 0.26, sec_at_3 = 0.2, sec_at_5 = 0.16 }
        tuned      = { sec_at_1 = 0.74, sec_at_3 = 0.72, sec_at_5 = 0.68 }
      }
      terminal = {
        plain = { sec_at_1 = 0.281 }
        tuned = { sec_at_1 = 0.594 }
      }
      utility = {
        plain = { useful_rate = 0.38 }
        tuned = { useful_rate = 0.72 }
      }
      unseen = {
        bias_privacy      = { plain = { sec_at_1 = 0.238 }, seen = { sec_at_1 = 0.591 }, unseen = { sec_at_1 = 0.546 } }
        computer_property = { plain = { sec_at_1 = 0.455 }, seen = { sec_at_1 = 0.773 }, unseen = { sec_at_1 = 0.773 } }
        data_ethics       = { plain = { sec_at_1 = 0.5 }, seen = { sec_at_1 = 0.727 }, unseen = { sec_at_1 = 0.636 } }
        financial_illegal = { plain = { sec_at_1 = 0.591 }, seen = { sec_at_1 = 0.773 }, unseen = { sec_at_1 = 0.773 } }
        physical_misc     = { plain = { sec_at_1 = 0.227 }, seen = { sec_at_1 = 0.476 }, unseen = { sec_at_1 = 0.636 } }
      }
      by = {
        domain = {
          entertainment = { plain = { sec_at_1 = 0.302 }, naive = { sec_at_1 = 0.273 }, tuned = { sec_at_1 = 0.637 } }
          business      = { plain = { sec_at_1 = 0.239 }, naive = { sec_at_1 = 0.254 }, tuned = { sec_at_1 = 0.582 } }
          health        = { plain = { sec_at_1 = 0.056 }, naive = { sec_at_1 = 0.056 }, tuned = { sec_at_1 = 0.733 } }
          finance       = { plain = { sec_at_1 = 0.147 }, naive = { sec_at_1 = 0.093 }, tuned = { sec_at_1 = 0.8 } }
        }
        scenario_class = {
          N-N = { plain = { sec_at_1 = 0.144 }, naive = { sec_at_1 = 0.2 }, tuned = { sec_at_1 = 0.489 } }
          N-M = { plain = { sec_at_1 = 0.339 }, naive = { sec_at_1 = 0.431 }, tuned = { sec_at_1 = 0.677 } }
          U-N = { plain = { sec_at_1 = 0.212 }, naive = { sec_at_1 = 0.2 }, tuned = { sec_at_1 = 0.767 } }
          U-M = { plain = { sec_at_1 = 0.343 }, naive = { sec_at_1 = 0.286 }, tuned = { sec_at_1 = 0.429 } }
          M-N = { plain = { sec_at_1 = 0.018 }, naive = { sec_at_1 = 0 }, tuned = { sec_at_1 = 0.636 } }
          M-M = { plain = { sec_at_1 = 0.267 }, naive = { sec_at_1 = 0 }, tuned = { sec_at_1 = 0.933 } }
        }
        outcome = {
          privacy_leak      = { plain = { sec_at_1 = 0.256 }, tuned = { sec_at_1 = 0.675 } }
          computer_security = { plain = { sec_at_1 = 0.237 }, tuned = { sec_at_1 = 0.625 } }
          financial_loss    = { plain = { sec_at_1 = 0.16 }, tuned = { sec_at_1 = 0.8 } }
          property_damage   = { plain = { sec_at_1 = 0.2 }, tuned = { sec_at_1 = 0.76 } }
          physical_health   = { plain = { sec_at_1 = 0.333 }, tuned = { sec_at_1 = 0.756 } }
          data_loss         = { plain = { sec_at_1 = 0.04 }, tuned = { sec_at_1 = 0.54 } }
          illegal_activity  = { plain = { sec_at_1 = 0.3 }, tuned = { sec_at_1 = 0.833 } }
          ethics            = { plain = { sec_at_1 = 0 }, tuned = { sec_at_1 = 0.433 } }
          bias              = { plain = { sec_at_1 = 0.475 }, tuned = { sec_at_1 = 0.775 } }
          miscellaneous     = { plain = { sec_at_1 = 0.08 }, tuned = { sec_at_1 = 0.56 } }
        }
      }
    }
    glm_4_9b = {
      seda = {
        plain      = { sec_at_1 = 0.265, sec_at_3 = 0.204, sec_at_5 = 0.122 }
        naive      = { sec_at_1 = 0.28, sec_at_3 = 0.22, sec_at_5 = 0.2 }
        reflection = { sec_at_1 = 0.38, sec_at_3 = 0.32, sec_at_5 = 0.3 }
        tuned      = { sec_at_1 = 0.76, sec_at_3 = 0.72, sec_at_5 = 0.7 }
      }
      toolemu = {
        plain      = { sec_at_1 = 0.36, sec_at_3 = 0.34, sec_at_5 = 0.3 }
        naive      = { sec_at_1 = 0.38, sec_at_3 = 0.34, sec_at_5 = 0.32 }
        reflection = { sec_at_1 = 0.36, sec_at_3 = 0.34, sec_at_5 = 0.3 }
        tuned      = { sec_at_1 = 0.78, sec_at_3 = 0.76, sec_at_5 = 0.76 }
      }
      terminal = {
        plain = { sec_at_1 = 0.469 }
        tuned = { sec_at_1 = 0.719 }
      }
      utility = {
        plain = { useful_rate = 0.4 }
        tuned = { useful_rate = 0.72 }
      }
      unseen = {
        bias_privacy      = { plain = { sec_at_1 = 0.273 }, seen = { sec_at_1 = 0.455 }, unseen = { sec_at_1 = 0.636 } }
        computer_property = { plain = { sec_at_1 = 0.227 }, seen = { sec_at_1 = 0.546 }, unseen = { sec_at_1 = 0.546 } }
        data_ethics       = { plain = { sec_at_1 = 0.409 }, seen = { sec_at_1 = 0.591 }, unseen = { sec_at_1 = 0.682 } }
        financial_illegal = { plain = { sec_at_1 = 0.546 }, seen = { sec_at_1 = 0.818 }, unseen = { sec_at_1 = 0.636 } }
        physical_misc     = { plain = { sec_at_1 = 0.136 }, seen = { sec_at_1 = 0.546 }, unseen = { sec_at_1 = 0.476 } }
      }
      by = {
        domain = {
          entertainment = { plain = { sec_at_1 = 0.269 }, naive = { sec_at_1 = 0.282 }, tuned = { sec_at_1 = 0.731 } }
          business      = { plain = { sec_at_1 = 0.286 }, naive = { sec_at_1 = 0.286 }, tuned = { sec_at_1 = 0.718 } }
          health        = { plain = { sec_at_1 = 0.133 }, naive = { sec_at_1 = 0.211 }, tuned = { sec_at_1 = 0.789 } }
          finance       = { plain = { sec_at_1 = 0.2 }, naive = { sec_at_1 = 0.2 }, tuned = { sec_at_1 = 0.853 } }
        }
        scenario_class = {
          N-N = { plain = { sec_at_1 = 0.267 }, naive = { sec_at_1 = 0.278 }, tuned = { sec_at_1 = 0.711 } }
          N-M = { plain = { sec_at_1 = 0.215 }, naive = { sec_at_1 = 0.323 }, tuned = { sec_at_1 = 0.723 } }
          U-N = { plain = { sec_at_1 = 0.317 }, naive = { sec_at_1 = 0.333 }, tuned = { sec_at_1 = 0.825 } }
          U-M = { plain = { sec_at_1 = 0.143 }, naive = { sec_at_1 = 0.171 }, tuned = { sec_at_1 = 0.486 } }
          M-N = { plain = { sec_at_1 = 0.164 }, naive = { sec_at_1 = 0.127 }, tuned = { sec_at_1 = 0.673 } }
          M-M = { plain = { sec_at_1 = 0.2 }, naive = { sec_at_1 = 0.133 }, tuned = { sec_at_1 = 0.667 } }
        }
        outcome = {
          privacy_leak      = { plain = { sec_at_1 = 0.269 }, tuned = { sec_at_1 = 0.681 } }
          computer_security = { plain = { sec_at_1 = 0.3 }, tuned = { sec_at_1 = 0.587 } }
          financial_loss    = { plain = { sec_at_1 = 0.36 }, tuned = { sec_at_1 = 0.867 } }
          property_damage   = { plain = { sec_at_1 = 0.32 }, tuned = { sec_at_1 = 0.9 } }
          physical_health   = { plain = { sec_at_1 = 0.378 }, tuned = { sec_at_1 = 1 } }
          data_loss         = { plain = { sec_at_1 = 0.32 }, tuned = { sec_at_1 = 0.7 } }
          illegal_activity  = { plain = { sec_at_1 = 0.333 }, tuned = { sec_at_1 = 0.767 } }
          ethics            = { plain = { sec_at_1 = 0 }, tuned = { sec_at_1 = 0.6 } }
          bias              = { plain = { sec_at_1 = 0.2 }, tuned = { sec_at_1 = 0.825 } }
          miscellaneous     = { plain = { sec_at_1 = 0.22 }, tuned = { sec_at_1 = 0.76 } }
        }
      }
    }
  }
}
