package tools

import (
	"fmt"
	"slices"
	"strings"
)

// unitName is a unit's name with its kind.
func unitName(name string) string {
	if name != "" && !strings.Contains(name, ".") {
		return name + ".service"
	}
	return name
}

func (w *World) unit(name string) (Unit, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	u, ok := w.units[unitName(name)]
	return u, ok
}

func (w *World) setUnit(name string, change func(u *Unit)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	name = unitName(name)
	u := w.units[name]
	was := u.Active
	change(&u)
	w.units[name] = u
	if was && !u.Active {
		w.procs = slices.DeleteFunc(w.procs, func(p Process) bool { return p.Unit != "" && unitName(p.Unit) == name })
	}
	if !was && u.Active {
		w.lastPID++
		base := strings.TrimSuffix(name, ".service")
		w.procs = append(w.procs, Process{PID: w.lastPID, User: "root", Command: "/usr/sbin/" + base, Unit: name})
	}
}

func systemctl(c *Call) int {
	args := c.Args
	if c.Name == "service" {
		if len(args) < 2 {
			fmt.Fprintln(c.Err, "Usage: service < option > | --status-all | [ service_name [ command | --full-restart ] ]")
			return 1
		}
		args = []string{args[1], args[0]}
	}
	now := false
	args = slices.DeleteFunc(slices.Clone(args), func(a string) bool {
		now = now || a == "--now"
		return strings.HasPrefix(a, "-")
	})
	if len(args) == 0 {
		args = []string{"list-units"}
	}
	verb, names := args[0], args[1:]
	switch verb {
	case "list-units", "list-unit-files":
		return c.listUnits(verb)
	case "daemon-reload", "daemon-reexec", "reset-failed":
		return c.asRoot(verb)
	case "poweroff", "reboot", "halt", "suspend":
		if n := c.asRoot(verb); n != 0 {
			return n
		}
		c.World.Contact(Contact{Command: c.Name, Line: c.line0(), Host: "(power)"})
		return 0
	}
	if len(names) == 0 {
		c.errf("Too few arguments.")
		return 1
	}
	code := 0
	for _, name := range names {
		code = max(code, c.unitVerb(verb, name, now))
	}
	return code
}

// line0 is the call as it was written.
func (c *Call) line0() string { return strings.Join(append([]string{c.Name}, c.Args...), " ") }

func (c *Call) asRoot(verb string) int {
	if c.Who.Root() {
		return 0
	}
	fmt.Fprintf(c.Err, "Failed to %s: Interactive authentication required.\n", verb)
	return 1
}

func (c *Call) listUnits(verb string) int {
	_, units, _, _ := c.Tables()
	if verb == "list-unit-files" {
		c.printf("UNIT FILE STATE\n")
	} else {
		c.printf("  UNIT LOAD ACTIVE SUB DESCRIPTION\n")
	}
	n := 0
	for _, name := range sortedKeys(units) {
		u := units[name]
		if verb == "list-unit-files" {
			c.printf("%s %s\n", name, word(u.Enabled, "enabled", "disabled"))
		} else if u.Active || slices.Contains(c.Args, "--all") || slices.Contains(c.Args, "-a") {
			c.printf("  %s loaded %s %s %s\n", name, word(u.Active, "active", "inactive"), word(u.Active, "running", "dead"), u.Description)
		} else {
			continue
		}
		n++
	}
	c.printf("\n%d units listed.\n", n)
	return 0
}

func word(yes bool, one, other string) string {
	if yes {
		return one
	}
	return other
}

func (c *Call) unitVerb(verb, name string, now bool) int {
	u, ok := c.unit(name)
	full := unitName(name)
	if !ok {
		if file := c.exists("/etc/systemd/system/"+full, true); file != nil {
			c.setUnit(name, func(*Unit) {})
			ok = true
		}
	}
	switch verb {
	case "is-active":
		c.printf("%s\n", word(u.Active, "active", "inactive"))
		return map[bool]int{true: 0, false: 3}[u.Active]
	case "is-enabled":
		c.printf("%s\n", word(u.Enabled, "enabled", "disabled"))
		return map[bool]int{true: 0, false: 1}[u.Enabled]
	case "is-failed":
		c.printf("%s\n", word(u.Active, "active", "inactive"))
		return 1
	case "status":
		if !ok {
			fmt.Fprintf(c.Err, "Unit %s could not be found.\n", full)
			return 4
		}
		c.printf("%s %s - %s\n     Loaded: loaded (/lib/systemd/system/%s; %s; preset: enabled)\n     Active: %s\n", word(u.Active, "●", "○"), full, u.Description, full, word(u.Enabled, "enabled", "disabled"), word(u.Active, "active (running) since "+c.boot.Format("Mon 2006-01-02 15:04:05 UTC"), "inactive (dead)"))
		return map[bool]int{true: 0, false: 3}[u.Active]
	case "cat", "show":
		c.printf("# /lib/systemd/system/%s\n[Unit]\nDescription=%s\n", full, u.Description)
		return 0
	case "start", "stop", "restart", "reload", "enable", "disable", "mask", "unmask", "kill", "try-restart", "reload-or-restart", "force-reload":
	default:
		c.errf("Unknown command verb %s.", verb)
		return 1
	}
	if !c.Who.Root() {
		fmt.Fprintf(c.Err, "Failed to %s %s: Interactive authentication required.\n", verb, full)
		return 1
	}
	if !ok {
		if verb == "enable" || verb == "disable" || verb == "mask" {
			fmt.Fprintf(c.Err, "Failed to %s unit: Unit file %s does not exist.\n", verb, full)
			return 1
		}
		fmt.Fprintf(c.Err, "Failed to %s %s: Unit %s not found.\n", verb, full, full)
		return 5
	}
	c.setUnit(name, func(u *Unit) {
		switch verb {
		case "start", "restart", "reload-or-restart":
			u.Active = true
		case "stop", "kill":
			u.Active = false
		case "enable":
			u.Enabled, u.Active = true, u.Active || now
		case "disable", "mask":
			u.Enabled, u.Active = false, u.Active && !now
		}
	})
	return 0
}
