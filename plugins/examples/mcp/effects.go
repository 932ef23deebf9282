package main

import (
	"slices"
	"strings"

	"github.com/autosafe/autosafe/spec/ots"
)

// What a tool does to the world, in the words of autosafe's catalogue.
const (
	reads     = "read"     // looks something up
	creates   = "create"   // makes something of the user's own
	updates   = "update"   // changes something
	deletes   = "delete"   // removes or overwrites for good
	sends     = "send"     // reaches chosen people
	publishes = "publish"  // reaches the public, or hands data out
	pays      = "pay"      // moves or binds money
	moves     = "physical" // moves, heats, opens or doses something
	executes  = "execute"  // runs or installs code
	grants    = "access"   // changes or uses rights, keys and protection
	decides   = "decide"   // decides about people
)

// verb is the effect of a word that is a verb and little else; "" for others.
func verb(word string) string {
	switch word {
	case "get", "list", "read", "search", "find", "fetch", "view", "show", "query", "lookup", "describe", "count", "check", "browse",
		"retrieve", "download", "inspect", "status", "history", "diff", "tree", "echo", "ping", "calculate", "preview", "export":
		return reads
	case "create", "add", "new", "insert", "make", "register", "draft", "save", "upload", "generate", "copy", "clone", "fork", "schedule":
		return creates
	case "update", "edit", "write", "set", "modify", "change", "rename", "move", "replace", "patch", "put", "merge", "append",
		"configure", "toggle", "reopen", "archive", "restore", "assign", "upsert", "sync":
		return updates
	case "delete", "remove", "drop", "purge", "erase", "wipe", "clear", "truncate", "destroy", "trash", "overwrite", "reset", "cancel", "revert", "prune":
		return deletes
	case "send", "reply", "forward", "notify", "invite", "submit":
		return sends
	case "publish", "tweet", "broadcast", "announce", "expose":
		return publishes
	case "pay", "buy", "sell", "purchase", "refund", "checkout", "withdraw", "invest", "subscribe", "donate":
		return pays
	case "unlock", "heat", "drive", "dispense", "steer", "brake", "fly", "actuate", "brew":
		return moves
	case "run", "exec", "execute", "eval", "evaluate", "install", "deploy", "launch", "start", "stop", "kill", "restart", "push", "commit", "click", "navigate":
		return executes
	case "grant", "revoke", "authorize", "permit", "allow", "deny", "enable", "disable", "login", "impersonate", "rotate":
		return grants
	case "approve", "reject", "hire", "decide", "moderate", "ban", "prescribe", "triage", "diagnose":
		return decides
	}
	return ""
}

// noun is the effect of a word that as often as not says what is acted on:
// "order" in get_order, but also in order_pizza.
func noun(word string) string {
	switch word {
	case "email", "mail", "message", "call", "sms", "request", "contact":
		return sends
	case "post", "share", "comment", "release":
		return publishes
	case "transfer", "order", "charge", "trade", "deposit", "book", "bid", "invoice":
		return pays
	case "lock", "open", "turn", "dose":
		return moves
	case "shell", "bash", "command", "sql", "script", "terminal", "compile":
		return executes
	case "token", "password", "secret", "credential", "permission", "firewall":
		return grants
	case "rank", "score", "screen", "rate", "grade":
		return decides
	case "store":
		return creates
	case "close", "mark", "label":
		return updates
	}
	return ""
}

// effect judges what a tool does by the first verb of its name, else of its
// description, and by the server's hints. Hints come from the server and may be
// wrong: one that says a tool only reads does not count where its name says
// that it does more.
func effect(t tool) string {
	e := firstEffect(words(t.Name))
	if e == "" {
		described := words(clean(t.Title + " " + t.Description))
		e = firstEffect(described[:min(len(described), 8)])
	}
	hints := t.Annotations.hints()
	switch {
	case e == "" && hints["read_only"]:
		return reads
	case e == "" && hints["destructive"]:
		return deletes
	case e == "":
		return updates
	case e == reads && hints["destructive"] && !hints["read_only"]:
		return updates
	}
	return e
}

// firstEffect is the effect of the first verb, or else of the first noun that
// may be one. Words may have the ending of the third person: deletes.
func firstEffect(list []string) string {
	for _, kind := range []func(string) string{verb, noun} {
		for _, w := range list {
			for _, form := range []string{w, strings.TrimSuffix(w, "s"), strings.TrimSuffix(w, "es")} {
				if e := kind(form); e != "" {
					return e
				}
			}
		}
	}
	return ""
}

// outcomesOf gives the outcomes that a group of tools can bring about, in the
// order of the built-in outcomes; miscellaneous if there is none.
func outcomesOf(tools []tool) []string {
	can := map[string]bool{}
	for _, t := range tools {
		for _, id := range outcomesOfTool(t) {
			can[id] = true
		}
	}
	var out []string
	for _, o := range ots.Outcomes() {
		if can[o.ID] {
			out = append(out, o.ID)
		}
	}
	if len(out) == 0 {
		return []string{"miscellaneous"}
	}
	return out
}

func outcomesOfTool(t tool) []string {
	e, hints := effect(t), t.Annotations.hints()
	out := slices.Clone(bringsAbout(e))
	if hints["destructive"] && !hints["read_only"] || e == updates && destroys(t) {
		out = append(out, "data_loss")
	}
	// What goes to an address of the agent's choice can carry data out, even
	// where the tool itself only reads.
	if takes(t, "url", "uri", "href", "endpoint", "webhook", "recipient", "recipients", "email") {
		out = append(out, "privacy_leak")
	}
	// Files that are written can be programs and settings.
	if (e == creates || e == updates || e == deletes) && takes(t, "path", "file", "filename", "filepath", "directory", "folder") {
		out = append(out, "computer_security")
	}
	return out
}

// bringsAbout are the outcomes that an effect can have.
func bringsAbout(effect string) []string {
	switch effect {
	case deletes:
		return []string{"data_loss"}
	case sends:
		return []string{"privacy_leak", "ethics"}
	case publishes:
		return []string{"privacy_leak", "ethics", "bias"}
	case pays:
		return []string{"financial_loss"}
	case moves:
		return []string{"property_damage", "physical_health"}
	case executes:
		return []string{"computer_security", "data_loss"}
	case grants:
		return []string{"computer_security", "privacy_leak"}
	case decides:
		return []string{"bias"}
	}
	return nil
}

// destroys says whether a tool that changes something may lose what was there:
// so the protocol has it where the server does not deny it.
func destroys(t tool) bool {
	destructive, said := t.Annotations.hints()["destructive"]
	return destructive || !said
}

// takes says whether one of a tool's parameters has one of these words in its
// name.
func takes(t tool, some ...string) bool {
	v, err := decode(t.InputSchema)
	if err != nil {
		return false
	}
	root, _ := v.(map[string]any)
	for name := range membersOf(root) {
		for _, w := range words(name) {
			if slices.Contains(some, w) {
				return true
			}
		}
	}
	return false
}
