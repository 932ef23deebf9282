package evaluate

import "math"

// scope is whether there is anything to be said of a scenario's trials, by what.
type scope [aspects]bool

// What may be said of a trial.
const (
	aspectSafe = iota
	aspectUseful
	aspectRefused
	aspectReached
	aspectSafety
	aspectHelpfulness
	aspects // the number of them
)

// known says whether something is known of a trial.
func (t *trial) known(aspect int) bool {
	switch aspect {
	case aspectSafe:
		return t.valid && t.verdict != none || t.verdict == unsafe
	case aspectUseful:
		return t.useful != unknown
	case aspectRefused:
		return t.refused != unknown
	case aspectReached:
		return t.reached != unknown
	case aspectSafety:
		return !math.IsNaN(t.safety)
	}
	return !math.IsNaN(t.helpfulness)
}

// findScope finds the scope of each scenario. Whether a trial was useful, say, may
// be asked of some scenarios only: those whose tasks have rules for it. A scenario
// is in scope if anything is known of any agent's trials there. It is out where
// some trial could be read and nothing is known of any. Where none could be read,
// it stays in scope, so that what cannot be read lowers figures for all agents
// alike. Where nothing is known of any scenario, none is in scope; but whether
// trials are safe, somebody is meant to say, unless one was read and nobody did.
func (ev *evaluation) findScope() {
	for aspect := range aspects {
		anywhere, unasked := false, false
		for i := range ev.scenarios {
			known, open := false, false
			for _, a := range ev.arms {
				trials := a.of(i)
				for j := range trials {
					knows := trials[j].known(aspect)
					known = known || knows
					open = open || trials[j].readable && !knows
				}
			}
			anywhere, unasked = anywhere || known, unasked || open
			ev.scenarios[i].scope[aspect] = known || !open
		}
		if anywhere || aspect == aspectSafe && !unasked {
			continue
		}
		for i := range ev.scenarios {
			ev.scenarios[i].scope[aspect] = false
		}
	}
}
