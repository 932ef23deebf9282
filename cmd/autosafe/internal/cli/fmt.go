package cli

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/autosafe/autosafe/spec"
)

func fmtCommand() command {
	return command{
		name: "fmt", args: "[PATH ...]", maxArgs: -1,
		short: "rewrite recipe files in canonical layout",
		long: `Rewrites *.hcl and *.hclvars files in canonical layout and lists those it
changed. PATH is a file or a folder (the current one by default), whose files
are formatted but not those of folders in it, unless -recursive is given.

With -check nothing is written; exit code 3 says that some file differs.`,
		setup: func(flags *flag.FlagSet) func(*invocation) int {
			check := flags.Bool("check", false, "write nothing; exit with 3 if a file is not canonical")
			recursive := flags.Bool("recursive", false, "go into folders")
			return func(inv *invocation) int { return inv.format(*check, *recursive) }
		},
	}
}

func (inv *invocation) format(check, recursive bool) int {
	paths := inv.args
	if len(paths) == 0 {
		paths = []string{"."}
	}
	files, err := recipeFiles(paths, recursive)
	if err != nil {
		return inv.fail("Cannot read", err)
	}
	changed, failed := 0, false
	for _, file := range files {
		differs, ok := inv.formatFile(file, check)
		if !ok {
			failed = true
			continue
		}
		if differs {
			inv.view.Formatted(file)
			changed++
		}
	}
	if failed {
		return exitError
	}
	inv.view.FormatDone(len(files), changed)
	if check && changed > 0 {
		return exitUnformatted
	}
	return exitDone
}

// formatFile formats one file and says whether that changed it.
func (inv *invocation) formatFile(file string, check bool) (changed, ok bool) {
	src, err := os.ReadFile(file)
	if err != nil {
		inv.fail("Cannot read", err)
		return false, false
	}
	out, diags := spec.Format(file, src)
	if diags.HasErrors() {
		inv.view.Diagnostics(map[string]*hcl.File{file: {Bytes: src}}, diags)
		return false, false
	}
	if bytes.Equal(src, out) {
		return false, true
	}
	if !check {
		if err := replaceFile(file, out); err != nil {
			inv.fail("Cannot write", err)
			return false, false
		}
	}
	return true, true
}

// replaceFile puts other content into a file, which keeps its mode. A link
// stays one.
func replaceFile(path string, content []byte) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return writeWhole(path, content, info.Mode().Perm())
}

// recipeFiles lists the files to format, in order.
func recipeFiles(paths []string, recursive bool) ([]string, error) {
	var files []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		err = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && p != path && (!recursive || strings.HasPrefix(d.Name(), ".")):
				return filepath.SkipDir
			case d.Type().IsRegular() && (strings.HasSuffix(p, ".hcl") || strings.HasSuffix(p, ".hclvars")):
				files = append(files, p)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}
