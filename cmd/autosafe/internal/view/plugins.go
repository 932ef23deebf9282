package view

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/internal/install"
)

// Init is what autosafe init did.
type Init struct {
	Plugins []install.Plugin `json:"plugins"`
	Removed []string         `json:"removed"` // sources that are not locked any more
	Lock    string           `json:"lock"`    // the lock file's name
	Changed bool             `json:"changed"` // the lock file was written
}

// Initialised shows what autosafe init did.
func (v *View) Initialised(done Init) {
	if v.opts.JSON {
		if done.Plugins == nil {
			done.Plugins = []install.Plugin{}
		}
		if done.Removed == nil {
			done.Removed = []string{}
		}
		v.lastLine(struct {
			Type string `json:"type"`
			Init
		}{"init", done})
		return
	}
	p := v.page()
	for i := range done.Plugins {
		p.plugin(&done.Plugins[i])
	}
	for _, source := range done.Removed {
		p.text(0, Clean(source)+" is not required any more, and not locked.")
	}
	switch {
	case len(done.Plugins) == 0 && len(done.Removed) == 0:
		p.text(0, "The recipe requires no plugins.")
	case done.Changed:
		p.text(0, done.Lock+" was written. Keep it with the recipe.")
	default:
		p.text(0, done.Lock+" is as it was.")
	}
	v.result(p.String())
}

// plugin shows what became of one plugin.
func (p *page) plugin(q *install.Plugin) {
	what := strings.TrimSpace(Clean(q.Source) + " " + Clean(q.Version))
	switch q.Status {
	case install.Installed:
		what += ": installed from " + Clean(q.From)
	case install.Present:
		what += ": installed already"
	case install.Overridden:
		what += ": overridden by dev_overrides; nothing was installed"
	}
	if q.Was != "" {
		what += ", in place of " + Clean(q.Was)
	}
	p.text(0, what)
	if len(q.Platforms) > 0 {
		p.text(2, "Locked for "+Clean(strings.Join(q.Platforms, ", ")))
	}
	switch {
	case q.SigningKey != "" && q.FirstUse:
		p.text(2, "Signed by "+Clean(q.SigningKey)+". This key came with the release, and only what it signs is taken from now on. Compare it with what the publisher says, or write it into the recipe as signing_key")
	case q.SigningKey != "":
		p.text(2, "Signed by "+Clean(q.SigningKey))
	case q.Status != install.Overridden:
		p.text(2, "Not signed, or by no key that is known: the lock file alone says what it must be")
	}
	p.grants(q)
	for _, note := range q.Notes {
		p.text(2, "Note: "+Clean(note))
	}
	p.WriteString("\n")
}

// grants shows what a plugin may do, and what of it is new.
func (p *page) grants(q *install.Plugin) {
	any := false
	for _, g := range q.Grants {
		for _, what := range granted(g.Network, g.Read, g.Env) {
			any = true
			text := Clean(g.Name) + " may " + may(what)
			if slices.Contains(g.Added, what) {
				text += " (new)"
			}
			p.text(2, text)
		}
		for _, what := range g.Gone {
			p.text(2, Clean(g.Name)+" may not "+may(what)+" any more")
		}
	}
	if !any {
		p.text(2, "Granted nothing beside its rows")
	}
}

// granted lists what is granted, each with its kind before it.
func granted(network, read, env []string) []string {
	var out []string
	for _, l := range []struct {
		kind string
		list []string
	}{{"network", network}, {"read", read}, {"env", env}} {
		for _, what := range l.list {
			out = append(out, l.kind+" "+what)
		}
	}
	return out
}

// may says in words what is granted, by its kind.
func may(what string) string {
	kind, what, _ := strings.Cut(Clean(what), " ")
	switch kind {
	case "network":
		return "connect to " + what
	case "env":
		return "see the variable " + what
	}
	return kind + " " + what
}

// ListedPlugin is a plugin that a recipe requires.
type ListedPlugin struct {
	Name       string   `json:"name"`
	Source     string   `json:"source"`
	Required   string   `json:"required,omitempty"` // constraint
	Locked     string   `json:"locked,omitempty"`   // version
	Platforms  []string `json:"platforms,omitempty"`
	SigningKey string   `json:"signing_key,omitempty"`
	Path       string   `json:"path,omitempty"` // of the binary, if it is the right one
	SHA256     string   `json:"sha256,omitempty"`
	Problem    string   `json:"problem,omitempty"` // why there is none
	Network    []string `json:"network,omitempty"` // what it may reach
	Read       []string `json:"read,omitempty"`
	Env        []string `json:"env,omitempty"`
}

// PluginList lists the plugins that a recipe requires.
func (v *View) PluginList(list []ListedPlugin) {
	if v.opts.JSON {
		v.lastLine(struct {
			Type    string         `json:"type"`
			Plugins []ListedPlugin `json:"plugins"`
		}{"plugins_list", list})
		return
	}
	p := v.page()
	if len(list) == 0 {
		p.text(0, "The recipe requires no plugins.")
		v.result(p.String())
		return
	}
	t := table{heads: []string{"Name", "Required", "Locked", "Installed", "Source"}}
	for _, q := range list {
		required, locked, installed := q.Required, q.Locked, "yes"
		if required == "" {
			required = "any"
		}
		if locked == "" {
			locked = "no"
		}
		if q.Problem != "" {
			installed = "no"
		}
		t.add(Clean(q.Name), Clean(required), Clean(locked), installed, Clean(q.Source))
	}
	t.render(&p.Builder, p.width)
	for _, q := range list {
		if q.Problem != "" {
			p.WriteString("\n")
			p.text(0, Clean(q.Name)+": "+Clean(q.Problem))
		}
		for _, what := range granted(q.Network, q.Read, q.Env) {
			p.text(0, Clean(q.Name)+" may "+may(what))
		}
	}
	v.result(p.String())
}

// PluginsLocked says which platforms were added to the lock file.
func (v *View) PluginsLocked(added map[string][]string, changed bool) {
	if v.opts.JSON {
		v.lastLine(struct {
			Type    string              `json:"type"`
			Added   map[string][]string `json:"added"`
			Changed bool                `json:"changed"`
		}{"plugins_lock", added, changed})
		return
	}
	p := v.page()
	for _, source := range slices.Sorted(maps.Keys(added)) {
		p.text(0, Clean(source)+": locked for "+Clean(strings.Join(added[source], ", "))+" too")
	}
	if !changed {
		p.text(0, "The lock file is as it was.")
	}
	v.result(p.String())
}

// Mirrored says what a mirror got.
func (v *View) Mirrored(dir string, list []install.Mirrored) {
	if v.opts.JSON {
		v.lastLine(struct {
			Type    string             `json:"type"`
			Mirror  string             `json:"mirror"`
			Plugins []install.Mirrored `json:"plugins"`
		}{"plugins_mirror", dir, list})
		return
	}
	p := v.page()
	for _, m := range list {
		p.text(0, fmt.Sprintf("%s %s: %s for %s", Clean(m.Source), Clean(m.Version), bytesOf(m.Bytes), Clean(strings.Join(m.Platforms, ", "))))
	}
	p.text(0, fmt.Sprintf("The mirror is in %s.", Clean(dir)))
	v.result(p.String())
}
