package cli

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/internal/skeleton"
	"github.com/autosafe/autosafe/spec/schema"
)

// newFlags are the flags of plugins new.
type newFlags struct{ lang, dir, sdkPath string }

func pluginsNewCommand() command {
	return command{
		name: "plugins new", args: "SOURCE [ROLE...]", minArgs: 1, maxArgs: -1,
		short: "write the beginnings of a plugin",
		long: `Writes a plugin that builds, passes its tests and runs: a component for each ROLE
(threat_source, simulator, reflector, judge, output; by default the first two),
tests, a recipe that uses it, and a script that makes a release.

SOURCE is the plugin's address, such as github.com/acme/autosafe-plugin-acme, or a
bare name for one that is not to be published. The folder is named after its last
part, and must not hold anything.`,
		setup: func(flags *flag.FlagSet) func(*invocation) int {
			var f newFlags
			flags.StringVar(&f.lang, "lang", "go", "write it in `LANGUAGE`: go or python")
			flags.StringVar(&f.dir, "dir", "", "write it to `DIR`")
			flags.StringVar(&f.sdkPath, "sdk-path", "", "Go: use the checkout of autosafe in `DIR` in place of the published module")
			return func(inv *invocation) int { return inv.pluginsNew(f) }
		},
	}
}

func (inv *invocation) pluginsNew(f newFlags) int {
	source, err := skeleton.Address(inv.args[0])
	if err != nil {
		return inv.usageError("%v", err)
	}
	opts := skeleton.Options{Source: source, Language: f.lang, SDK: Version, Go: goVersion}
	if opts.Roles, err = rolesOf(inv.args[1:]); err != nil {
		return inv.usageError("%v", err)
	}
	if !slices.Contains(skeleton.Languages(), f.lang) {
		return inv.usageError("-lang is %s, not %q", strings.Join(skeleton.Languages(), " or "), f.lang)
	}
	if f.sdkPath != "" && f.lang != "go" {
		return inv.usageError("-sdk-path is for -lang go")
	}
	var sums []byte
	if f.sdkPath != "" {
		if opts.SDKPath, err = filepath.Abs(f.sdkPath); err == nil {
			opts.Requires, sums, err = modulesOf(opts.SDKPath)
		}
		if err != nil {
			return inv.fail("No checkout of autosafe", err)
		}
	}
	dir := f.dir
	if dir == "" {
		dir = skeleton.Program(source)
	}
	files, err := skeleton.Files(opts)
	if err == nil {
		if sums != nil {
			files = append(files, skeleton.File{Name: "go.sum", Content: sums})
		}
		err = writeSkeleton(dir, files)
	}
	if err != nil {
		return inv.fail("Plugin not written", err)
	}
	var names []string
	for _, file := range files {
		names = append(names, file.Name)
	}
	inv.view.PluginMade(dir, names, nextSteps(dir, opts))
	return exitDone
}

// goVersion is the version of Go that the SDK needs.
const goVersion = "1.26.0"

func rolesOf(args []string) ([]schema.Role, error) {
	if len(args) == 0 {
		return []schema.Role{schema.ThreatSource, schema.Simulator}, nil
	}
	var roles []schema.Role
	for _, arg := range args {
		role := schema.Role(arg)
		switch {
		case role == schema.Finetune:
			return nil, fmt.Errorf("there is no skeleton of a finetune component; docs/finetuning.md says how one is written")
		case role == schema.Evaluation:
			return nil, fmt.Errorf("there is no skeleton of an evaluation component; docs/writing-a-plugin.md says how one is written")
		case !slices.Contains(schema.Roles(), role):
			return nil, fmt.Errorf("%q is no role; there are threat_source, simulator, reflector, judge and output", arg)
		case slices.Contains(roles, role):
			return nil, fmt.Errorf("the role %s is given twice", role)
		}
		roles = append(roles, role)
	}
	return roles, nil
}

// modulesOf gives what a checkout of autosafe needs: lines for a go.mod, and
// their sums.
func modulesOf(dir string) (lines []string, sums []byte, err error) {
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return nil, nil, err
	}
	if !strings.HasPrefix(string(mod), "module github.com/autosafe/autosafe\n") {
		return nil, nil, fmt.Errorf("%s is no checkout of autosafe", dir)
	}
	inside := false
	for line := range strings.Lines(string(mod)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "require (":
			inside = true
		case line == ")":
			inside = false
		case inside && line != "" && !strings.HasPrefix(line, "//"):
			if !strings.HasSuffix(line, "// indirect") {
				line += " // indirect"
			}
			lines = append(lines, line)
		}
	}
	sums, err = os.ReadFile(filepath.Join(dir, "go.sum"))
	return lines, sums, err
}

// writeSkeleton writes files into a folder that holds nothing yet.
func writeSkeleton(dir string, files []skeleton.File) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is there and holds files. Name another folder with -dir", dir)
	}
	for _, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return err
		}
		mode := os.FileMode(0o666)
		if f.Executable {
			mode = 0o777
		}
		if err := os.WriteFile(path, f.Content, mode); err != nil {
			return err
		}
	}
	return nil
}

// nextSteps are the commands from the skeleton to a built recipe.
func nextSteps(dir string, opts skeleton.Options) []string {
	binary := skeleton.Binary(opts.Source)
	next := []string{"cd " + dir}
	switch {
	case opts.Language == "python":
		next = append(next, "python3 -m unittest", "python3 -m autosafe_plugin.build plugin.py "+binary)
	case opts.SDKPath == "":
		next = append(next, "go mod tidy", "go test ./...", "go build -o "+binary+" .")
	default:
		next = append(next, "go test ./...", "go build -o "+binary+" .")
	}
	return append(next, "autosafe plugins test "+binary, "autosafe build recipe")
}
