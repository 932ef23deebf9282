// Package skeleton writes the beginnings of a plugin: components that work, their
// tests, a recipe that uses them, and what a release takes. What it writes
// builds, passes its tests and runs as it is.
//
// It decides what the files hold, and writes them nowhere.
package skeleton

import (
	"bytes"
	"embed"
	"fmt"
	"go/format"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/autosafe/autosafe/plugins/sdk/python"
	"github.com/autosafe/autosafe/spec/schema"
)

//go:embed templates
var templates embed.FS

// Languages are the languages that there is a skeleton for.
func Languages() []string { return []string{"go", "python"} }

// Options say what is to be written.
type Options struct {
	Source   string        // the plugin's address: github.com/acme/autosafe-plugin-acme
	Language string        // one of Languages
	Roles    []schema.Role // in any order; none twice
	SDK      string        // version of autosafe

	// Of Go: the language's version, a checkout of autosafe that stands in for
	// the published module, and the modules that it needs, as lines of go.mod.
	Go       string
	SDKPath  string
	Requires []string
}

// File is a file of a skeleton.
type File struct {
	Name       string // relative, with slashes
	Content    []byte
	Executable bool
}

const programPrefix = "autosafe-plugin-"

// Address makes a plugin's address of what a user typed: a bare name is a
// plugin that is not published.
func Address(typed string) (string, error) {
	address := typed
	if !strings.Contains(typed, "/") {
		name := strings.TrimPrefix(typed, programPrefix)
		address = "example.com/" + name + "/" + programPrefix + name
	}
	if !regexp.MustCompile(`^[a-z0-9][a-z0-9.-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*){1,5}$`).MatchString(address) || path.Clean(address) != address {
		return "", fmt.Errorf("%q is no plugin source; one is like github.com/acme/autosafe-plugin-acme, or just acme", typed)
	}
	if !regexp.MustCompile(`^[a-z][a-z0-9-]*$`).MatchString(name(address)) {
		return "", fmt.Errorf("the plugin's name %q must be made of small letters, digits and -, and begin with a letter", name(address))
	}
	return address, nil
}

// name is the plugin's name in an address: acme.
func name(address string) string { return strings.TrimPrefix(path.Base(address), programPrefix) }

// Program is the name of a plugin's binary.
func Program(address string) string { return programPrefix + name(address) }

// local is the name by which the recipe knows the plugin.
func local(address string) string { return strings.ReplaceAll(name(address), "-", "_") }

// Binary is where the recipe of a skeleton finds the plugin while it is worked
// on, relative to the skeleton's folder.
func Binary(address string) string {
	return "recipe/.autosafe/plugins/" + programPrefix + local(address)
}

// data is what templates see.
type data struct {
	Options
	Program, Binary  string
	Local            string
	Components       []string
	NeedsInstruction bool
	Steps            []step
	Last             string
}

// step is a step of the recipe.
type step struct{ Role, Label, Block, Input string }

// Has says whether the plugin has a component of a role.
func (d data) Has(role string) bool { return slices.Contains(d.Roles, schema.Role(role)) }

// component is the component that the skeleton has for a role.
func component(role schema.Role) string {
	switch role {
	case schema.ThreatSource:
		return "cases"
	case schema.Simulator:
		return "rephrase"
	case schema.Reflector:
		return "lesson"
	case schema.Judge:
		return "tone"
	}
	return "text"
}

// Files writes the skeleton.
func Files(opts Options) ([]File, error) {
	d := data{Options: opts, Program: Program(opts.Source), Binary: Binary(opts.Source), Local: local(opts.Source)}
	d.Last = "threat_source.jsonl.requests"
	if d.Has(string(schema.ThreatSource)) {
		d.Last = "threat_source." + d.Local + "_cases.requests"
	}
	for _, role := range schema.Roles() {
		if !d.Has(string(role)) {
			continue
		}
		d.Components = append(d.Components, string(role)+" "+component(role))
		switch role {
		case schema.Simulator, schema.Reflector, schema.Judge:
			d.NeedsInstruction = true
			s := step{string(role), d.Local + "_" + component(role), component(role), d.Last}
			d.Steps = append(d.Steps, s)
			d.Last = strings.Join([]string{s.Role, s.Label, s.Block}, ".")
		}
	}
	out, err := d.language()
	if err != nil {
		return nil, err
	}
	more := []string{"conformance.hcl", "recipe.hcl"}
	if !d.Has(string(schema.ThreatSource)) {
		more = append(more, "requests.jsonl")
	}
	for _, file := range more {
		f, err := d.render("both", file)
		if err != nil {
			return nil, err
		}
		if file != "conformance.hcl" {
			f.Name = "recipe/" + f.Name
		}
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// language writes the files of the plugin's language.
func (d data) language() (out []File, err error) {
	if !slices.Contains(Languages(), d.Language) {
		return nil, fmt.Errorf("there is no skeleton in %q; there are ones in %s", d.Language, strings.Join(Languages(), " and "))
	}
	entries, err := fs.ReadDir(templates, "templates/"+d.Language)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		file := strings.TrimSuffix(e.Name(), ".tmpl")
		role := strings.TrimSuffix(file, ".go")
		if slices.Contains(schema.Roles(), schema.Role(role)) && !d.Has(role) {
			continue
		}
		f, err := d.render(d.Language, file)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	if d.Language != "python" {
		return out, nil
	}
	return out, fs.WalkDir(python.Module, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := python.Module.ReadFile(name)
		out = append(out, File{Name: name, Content: b})
		return err
	})
}

// render fills a template in.
func (d data) render(folder, file string) (File, error) {
	text, err := templates.ReadFile("templates/" + folder + "/" + file + ".tmpl")
	if err != nil {
		return File{}, err
	}
	t, err := template.New(file).Delims("<%", "%>").Parse(string(text))
	if err != nil {
		return File{}, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, d); err != nil {
		return File{}, err
	}
	f := File{Name: file, Content: b.Bytes(), Executable: strings.HasSuffix(file, ".sh")}
	if file == "gitignore" {
		f.Name = ".gitignore"
	}
	if strings.HasSuffix(file, ".go") {
		if f.Content, err = format.Source(f.Content); err != nil {
			return File{}, fmt.Errorf("%s: %w", file, err)
		}
	}
	return f, nil
}
