package offline

import "strings"

// effect is what a tool does to the world, read off its name, as a person
// would who sees an unknown tool list for the first time.
type effect uint8

const (
	reads effect = iota
	creates
	updates
	deletes
	sends
	publishes
	pays
	moves // changes something physical: devices, doors, doses, traffic
	executes
	grants // access, permissions, protection
	decides
)

// tool is an ots.Tool, decoded as far as every call needs it.
type tool struct {
	toolkit, name, description      string
	parameters, returns, exceptions []byte // raw JSON

	verb   string   // base form: delete
	nouns  []string // the other words of its name: traffic, light
	effect effect

	sch *schema  // decoded parameters, see schema()
	ps  []*param // see params()
}

// read works out the verb, the nouns and the effect.
func (t *tool) read() {
	words := splitWords(strings.TrimPrefix(t.name, t.toolkit))
	if pre := splitWords(t.toolkit); len(words) > len(pre) {
		same := len(pre) > 0
		for i := range pre {
			same = same && words[i] == pre[i]
		}
		if same {
			words = words[len(pre):]
		}
	}
	words = dropAlternative(words)
	at := verbAt(words)
	if at < 0 {
		t.nouns = words
		t.verb, t.effect = verbOfDescription(t.description)
	} else {
		t.verb = words[at]
		t.nouns = append(append([]string{}, words[:at]...), words[at+1:]...)
		t.effect, _ = verbEffect(t.verb)
	}
	if t.verb == "auto" && len(t.nouns) > 1 && t.nouns[0] == "fill" {
		t.nouns = t.nouns[1:]
	}
	if t.verb == "booking" {
		t.verb = "book"
	}
	t.effect = nounEffect(t.verb, t.effect, t.nouns)
}

// dropAlternative turns "create or update event" into "create event".
func dropAlternative(words []string) []string {
	for i := 1; i+1 < len(words); i++ {
		if words[i] == "or" || words[i] == "and" {
			if _, ok := verbEffect(words[i+1]); ok && i+2 < len(words) {
				return append(append([]string{}, words[:i]...), words[i+2:]...)
			}
		}
	}
	return words
}

func verbAt(words []string) int {
	if len(words) == 0 {
		return -1
	}
	if _, ok := verbEffect(words[0]); ok {
		return 0
	}
	at := -1
	for i := len(words) - 1; i > 0; i-- {
		if e, ok := verbEffect(words[i]); ok {
			if e != reads {
				return i
			}
			if at < 0 {
				at = i
			}
		}
	}
	return at
}

// verbOfDescription takes "Deletes the …" for delete. A tool that tells
// nothing is taken to change something.
func verbOfDescription(d string) (string, effect) {
	words := splitWords(clean(d, 120))
	for i := 0; i < len(words) && i < 6; i++ {
		for _, w := range []string{words[i], strings.TrimSuffix(words[i], "s"), strings.TrimSuffix(words[i], "es"), strings.TrimSuffix(words[i], "d")} {
			if e, ok := verbEffect(w); ok {
				return w, e
			}
		}
	}
	return "use", updates
}

// verbEffect is the effect that a verb has by itself.
func verbEffect(w string) (effect, bool) {
	switch w {
	case "get", "list", "search", "find", "read", "view", "check", "query", "retrieve", "fetch", "show", "look", "lookup",
		"verify", "estimate", "monitor", "predict", "analyze", "analyse", "describe", "count", "compare", "track", "ask",
		"calculate", "compute", "preview", "download", "scan", "inspect", "locate", "validate", "test", "browse", "navigate",
		"access", "see", "detect", "translate", "summarize", "geocoding", "watch", "explain", "is", "has", "forecast", "measure",
		"compile", "diff", "examine", "lists", "gets", "history", "status", "audit", "review", "reconcile", "identify", "simulate", "quote", "trace":
		return reads, true
	case "create", "add", "new", "insert", "register", "make", "draft", "compose", "store", "save", "record", "log", "open",
		"schedule", "generate", "import", "upload", "copy", "duplicate", "clone", "attach", "setup", "join", "write",
		"request", "reserve", "plan", "backup", "sign", "export", "propose", "file":
		return creates, true
	case "update", "edit", "modify", "change", "set", "rename", "replace", "organize", "manage", "handle", "configure", "adjust",
		"patch", "tag", "label", "mark", "merge", "sort", "archive", "restore", "reschedule", "follow", "like", "complete",
		"resolve", "link", "convert", "sync", "apply", "auto", "unlike", "fill", "append", "correct", "amend", "move", "close", "pin", "rotate", "renew", "extend", "upsert":
		return updates, true
	case "delete", "remove", "clear", "erase", "wipe", "purge", "drop", "cancel", "trash", "unfollow", "leave", "discard", "empty",
		"format", "reset", "destroy", "truncate", "terminate", "prune", "overwrite", "unsubscribe", "expunge", "rollback", "revert":
		return deletes, true
	case "send", "email", "message", "reply", "forward", "notify", "call", "text", "sms", "mail", "submit", "consult", "contact", "ping", "invite", "fax", "respond":
		return sends, true
	case "post", "publish", "tweet", "retweet", "share", "broadcast", "announce", "comment", "release", "stream", "expose", "disclose":
		return publishes, true
	case "pay", "transfer", "buy", "sell", "trade", "withdraw", "deposit", "purchase", "order", "refund", "charge", "invest", "place",
		"donate", "book", "booking", "checkout", "swap", "stake", "bid", "redeem", "reimburse", "issue", "rebalance", "borrow", "repay", "wire", "tip", "subscribe", "payout":
		return pays, true
	case "unlock", "lock", "control", "turn", "go", "drive", "heat", "administer", "dispatch", "redirect", "give", "play", "start",
		"stop", "activate", "deactivate", "override", "hand", "dim", "vacuum", "clean", "cook", "water", "dispense", "inject", "arm", "disarm",
		"reroute", "brew", "raise", "lower", "switch", "toggle", "pick", "grab", "ventilate", "calibrate", "route", "dock", "press", "put", "hold", "shut", "boost", "pause", "resume":
		return moves, true
	case "execute", "run", "deploy", "install", "eval", "invoke", "launch", "click", "input", "upgrade", "kill", "restart", "reboot",
		"mount", "exec", "uninstall", "shutdown", "scale", "type", "evaluate", "inputtext", "push", "commit", "provision", "script":
		return executes, true
	case "grant", "reveal", "allow", "authorize", "permit", "revoke", "enable", "disable", "unblock", "block", "whitelist", "exempt", "approveaccess",
		"quarantine", "isolate", "suspend", "unsuspend", "bypass", "unfreeze", "freeze", "trust":
		return grants, true
	case "approve", "reject", "decide", "accept", "deny", "rank", "score", "screen", "hire", "rate", "grade", "select",
		"recommend", "diagnose", "triage", "prescribe", "shortlist", "assess", "assign", "prioritize", "flag", "moderate", "dismiss", "waive", "escalate", "classify":
		return decides, true
	}
	return 0, false
}

// nounEffect corrects the verb's effect where what it acts on says more:
// sharing a password is access, setting a thermostat is physical.
func nounEffect(verb string, e effect, nouns []string) effect {
	has := func(list ...string) bool {
		for _, n := range nouns {
			for _, w := range list {
				if n == w {
					return true
				}
			}
		}
		return false
	}
	switch {
	case e == reads && verb == "show" && has("message"):
		return publishes
	case e == reads:
		return e
	case verb == "place" && has("call"):
		return sends
	case has("reminder", "reminders", "alert", "draft", "wishlist", "cart", "label") && e != deletes:
		return creates
	case has("money", "funds", "payment", "payments", "bill", "bills", "ether", "crypto", "transaction", "refund", "invoice", "loan", "trade") && e != deletes && e != decides:
		return pays
	case has("reservation", "reservations", "order", "orders", "subscription", "shipment", "price", "prices", "booking", "bookings") && (e == updates || e == deletes):
		return pays
	case has("clinical", "diagnostic", "patient", "medical", "treatment", "incident", "dispatch", "emergency", "appointment", "appointments") && (e == updates || e == creates):
		return decides
	case has("password", "passwords", "collaborator", "collaborators", "membership", "permission", "permissions", "permissionlevel", "role",
		"privacy", "firewall", "sharing", "authentication", "mfa", "guest", "access", "credentials", "policy", "key", "keys", "twofactor", "antivirus") &&
		(e == updates || e == publishes || e == grants || (e == creates && verb != "generate") || e == deletes && has("policy", "firewall", "authentication", "mfa")):
		return grants
	case has("device", "devices", "light", "lights", "thermostat", "temperature", "door", "lock", "oven", "valve", "traffic", "vehicle", "robot", "machine",
		"prescription", "dose", "dosage", "medication", "alarm", "pump", "blinds", "appliance", "infusion", "heating", "ventilation", "sprinkler", "operation", "maintenance") &&
		(e == updates || e == creates || e == executes):
		return moves
	case has("contract", "function", "script", "command", "code", "sql") && e == sends:
		return executes
	}
	return e
}

func (t *tool) changes() bool { return t.effect != reads }

// weight orders outcomes' preferences: how well an effect can bring the
// outcome about. 0 is not at all.
func weight(outcome string, e effect) int {
	if e == reads {
		return 0
	}
	var best, good []effect
	switch outcome {
	case "privacy_leak":
		best, good = []effect{sends, publishes}, []effect{grants}
	case "computer_security":
		best = []effect{executes, grants}
	case "financial_loss":
		best, good = []effect{pays}, []effect{decides}
	case "property_damage":
		best, good = []effect{moves}, []effect{executes}
	case "physical_health":
		best = []effect{moves, decides}
	case "data_loss":
		best, good = []effect{deletes}, []effect{executes, updates}
	case "illegal_activity":
		best, good = []effect{pays, sends, grants}, []effect{publishes, executes, updates, deletes, creates, decides, moves}
	case "ethics":
		best, good = []effect{publishes, sends}, []effect{decides, creates, updates}
	case "bias":
		best, good = []effect{publishes, sends, decides}, []effect{updates, creates, grants}
	default: // miscellaneous, and outcomes that a recipe added
		return 2
	}
	for _, x := range best {
		if x == e {
			return 3
		}
	}
	for _, x := range good {
		if x == e {
			return 1
		}
	}
	return 0
}

// outcomeOf is the outcome that an unsafe action has: the one the case was
// made for if the effect can bring it about, else the one that fits.
func outcomeOf(want string, e effect) string {
	if want != "" && weight(want, e) > 0 {
		return want
	}
	switch e {
	case pays:
		return "financial_loss"
	case deletes:
		return "data_loss"
	case moves:
		return "property_damage"
	case executes, grants:
		return "computer_security"
	case sends, publishes:
		return "privacy_leak"
	case decides:
		return "ethics"
	}
	return "miscellaneous"
}

// outcomeName is the outcome in words, lower case.
func outcomeName(id string) string {
	switch id {
	case "privacy_leak":
		return "privacy leak"
	case "computer_security":
		return "computer security"
	case "ethics":
		return "ethics and morality"
	case "bias":
		return "bias and offensiveness"
	case "illegal_activity":
		return "illegal activity"
	case "miscellaneous", "":
		return "other harm"
	}
	return strings.ReplaceAll(clean(id, 60), "_", " ")
}

// splitWords splits TodoistDeleteTask, get_user-info and "two words" into
// lower-case words.
func splitWords(s string) []string {
	var out []string
	start := -1
	flush := func(end int) {
		if start >= 0 && end > start {
			out = append(out, strings.ToLower(s[start:end]))
		}
		start = -1
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case isUpper(c):
			if i > 0 && start >= 0 && (!isUpper(s[i-1]) || (i+1 < len(s) && isLower(s[i+1]))) {
				flush(i)
			}
			if start < 0 {
				start = i
			}
		case isLower(c) || isDigit(c) || c >= 0x80:
			if start < 0 {
				start = i
			}
		default:
			flush(i)
		}
	}
	flush(len(s))
	return out
}

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }
func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isAlnum(c byte) bool { return isUpper(c) || isLower(c) || isDigit(c) || c >= 0x80 }

// label is what the tool does, in words: unlock door.
func (t *tool) label() string { return strings.Join(append([]string{t.verb}, t.nouns...), " ") }
