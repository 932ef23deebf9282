package spec

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/autosafe/autosafe/spec/schema"
)

// Grant is what a recipe lets a plugin do beyond working on the rows it is
// handed. Without one a plugin has no network, no environment, and reads no
// file but its own, the system's, and those that its components' arguments
// name.
type Grant struct {
	Network []string // host:port, as the plugin may dial it, over TCP
	Read    []string // files and folders, relative to the recipe's folder or absolute
	Env     []string // names of environment variables
}

// IsZero says that nothing is granted.
func (g Grant) IsZero() bool {
	return len(g.Network) == 0 && len(g.Read) == 0 && len(g.Env) == 0
}

// envName is what names of environment variables look like.
func envName() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`) }

// readGrants reads the grant blocks, once all plugins are known.
func (s *Source) readGrants(blocks []*hcl.Block) hcl.Diagnostics {
	var diags hcl.Diagnostics
	given := map[string]hcl.Range{}
	for _, block := range blocks {
		name := block.Labels[0]
		if first, ok := given[name]; ok {
			diags = append(diags, problemAt(block.LabelRanges[0], "Duplicate grant",
				"The plugin %q was already granted something at %s. Keep one block.", name, place(first)))
			continue
		}
		given[name] = block.DefRange
		i := slices.IndexFunc(s.RequiredPlugins, func(r PluginRequirement) bool { return r.Name == name })
		if i < 0 {
			var names []string
			for _, r := range s.RequiredPlugins {
				names = append(names, r.Name)
			}
			diags = append(diags, problemAt(block.LabelRanges[0], "Unknown plugin",
				"No plugin %q stands in required_plugins.%s A grant names a plugin by its local name.", name, suggest(name, names)))
			continue
		}
		grant, moreDiags := s.readGrant(block.Body)
		diags = append(diags, moreDiags...)
		s.RequiredPlugins[i].Grant = grant
	}
	return diags
}

func (s *Source) readGrant(body hcl.Body) (Grant, hcl.Diagnostics) {
	var g Grant
	content, diags := body.Content(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "network"}, {Name: "read"}, {Name: "env"}}})
	for _, list := range []struct {
		name  string
		into  *[]string
		check func(string) string
	}{
		{"network", &g.Network, checkHostPort},
		{"read", &g.Read, s.checkReadPath},
		{"env", &g.Env, checkEnvName},
	} {
		attr, ok := content.Attributes[list.name]
		if !ok {
			continue
		}
		exprs, moreDiags := hcl.ExprList(attr.Expr)
		if moreDiags.HasErrors() {
			diags = append(diags, problemAt(attr.Expr.Range(), "Invalid grant", "%s is a list of strings, written out.", list.name))
			continue
		}
		for _, expr := range exprs {
			text, moreDiags := literalString(list.name, expr)
			diags = append(diags, moreDiags...)
			if moreDiags.HasErrors() {
				continue
			}
			if wrong := list.check(text); wrong != "" {
				diags = append(diags, problemAt(expr.Range(), "Invalid grant", "%s", wrong))
				continue
			}
			*list.into = append(*list.into, text)
		}
		slices.Sort(*list.into)
		*list.into = slices.Compact(*list.into)
	}
	return g, diags
}

func checkHostPort(text string) string {
	host, port, err := net.SplitHostPort(text)
	n, perr := strconv.ParseUint(port, 10, 16)
	if err != nil || perr != nil || n == 0 || host == "" || strings.ContainsAny(host, "*/@ \t\n\x00") {
		return strconv.Quote(text) + ` is not a host and a port. Write them as "api.example.com:443".`
	}
	return ""
}

func (s *Source) checkReadPath(text string) string {
	switch {
	case text == "" || strings.ContainsRune(text, 0):
		return "An empty path cannot be granted."
	}
	path := resolvePath(s.Dir, text)
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Sprintf("%q cannot be granted: %s. A relative path starts at the recipe's folder, %q.", text, plainPathError(err), s.Dir)
	}
	// By whatever name, also that of a link: .. of the root is the root itself.
	if root, err := os.Stat(filepath.VolumeName(path) + string(filepath.Separator)); err == nil && os.SameFile(info, root) {
		return "The whole file system cannot be granted. Name the folders that the plugin needs."
	}
	return ""
}

// grantedFiles are the files that a plugin may read beside those that its
// components' arguments name, for each path that it was granted: what they hold
// is part of what its rows depend on. Unlike elsewhere, hidden files count, as
// they can be read.
func (d *decoder) grantedFiles(plugin PluginRef) ([][]schema.File, *hcl.Diagnostic) {
	if plugin.Grant == nil || len(plugin.Grant.Read) == 0 {
		return nil, nil
	}
	if list, ok := d.granted[plugin.Name]; ok {
		return list, nil
	}
	var list [][]schema.File
	for _, text := range plugin.Grant.Read {
		path, err := filepath.EvalSymlinks(resolvePath(d.src.Dir, text))
		f := &fileFinder{base: path, found: map[string]schema.File{}, hidden: true}
		if err == nil {
			if path, err = filepath.Abs(path); err == nil {
				f.base = path
				err = f.add(path)
			}
		}
		if err != nil {
			return nil, problemAt(d.requirement(plugin.Name).Range, "Unreadable grant", "%q, which is granted to the plugin %q, cannot be read: %s.", text, plugin.Name, plainPathError(err))
		}
		var files []schema.File
		for _, key := range sortedKeys(f.found) {
			files = append(files, f.found[key])
		}
		list = append(list, files)
	}
	d.granted[plugin.Name] = list
	return list, nil
}

func (d *decoder) requirement(name string) PluginRequirement {
	for _, r := range d.src.RequiredPlugins {
		if r.Name == name {
			return r
		}
	}
	return PluginRequirement{}
}

func checkEnvName(text string) string {
	if !envName().MatchString(text) {
		return strconv.Quote(text) + " is not the name of an environment variable."
	}
	return ""
}
