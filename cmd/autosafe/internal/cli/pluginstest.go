package cli

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"

	"github.com/autosafe/autosafe/cmd/autosafe/internal/view"
	"github.com/autosafe/autosafe/internal/pluginhost"
	"github.com/autosafe/autosafe/plugins/builtin"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/conformance"
	"github.com/autosafe/autosafe/spec/schema"
)

// casesName is the file of cases that is looked for.
const casesName = "conformance.hcl"

func pluginsTestCommand() command {
	return command{
		name: "plugins test", args: "BINARY", minArgs: 1, maxArgs: 1,
		short: "hold a plugin to the protocol, in any language",
		long: `Starts a plugin's BINARY as a build does and checks what builds rely on: that it
describes itself validly and equally each time, refuses bad settings at their
place, answers every row once, whatever the order, gives rows of the declared
columns, the same bytes again where it promises that, takes fields that it does
not know, survives rows that do not fit, ends when cancelled and when the host
is gone, and writes nothing to standard output.

Cases say what to run, in the file of -config, or else in conformance.hcl of the
current folder or of the binary's:

  case "judge" "tone" {
    config = { model = "model" } # arguments; a model is named after its argument
    rows   = [{ instruction = "Close the ticket." }]
    reply  = { polite = true }   # or replies = [...], one for each row
  }

It exits 1 if a check fails.`,
		setup: func(flags *flag.FlagSet) func(*invocation) int {
			config := flags.String("config", "", "read the cases from `FILE`")
			sandbox := flags.String("plugin-sandbox", string(pluginhost.SandboxAuto), "contain the plugin: `MODE` is auto, require or off")
			return func(inv *invocation) int { return inv.pluginsTest(*config, *sandbox) }
		},
	}
}

func (inv *invocation) pluginsTest(file, sandbox string) int {
	if !pluginhost.Sandbox(sandbox).Valid() {
		return inv.usageError("-plugin-sandbox is auto, require or off, not %q", sandbox)
	}
	binary := inv.args[0]
	cases, base, diags := readCases(file, binary)
	if diags.HasErrors() {
		inv.view.Diagnostics(nil, diags)
		return exitError
	}
	report, err := inv.checkPlugin(binary, cases, base, sandbox)
	if err != nil {
		return inv.fail("Plugin not tested", errors.New(pluginhost.Reason(err)))
	}
	out := view.PluginChecks{Plugin: report.Name, Version: report.Version, Passed: report.Passed(), Untried: report.Untried}
	for _, f := range report.Findings {
		out.Checks = append(out.Checks, view.PluginCheck{Name: f.Name(), Passed: len(f.Problems) == 0, Problems: f.Problems})
	}
	inv.view.PluginTested(out)
	if !out.Passed {
		return exitError
	}
	return exitDone
}

// hangUpPatience is how long a plugin may take to end when its host is gone.
const hangUpPatience = time.Minute

// checkPlugin runs the checks on a process of the binary. Files that cases name
// are below base.
func (inv *invocation) checkPlugin(binary string, cases []conformance.Case, base, sandbox string) (conformance.Report, error) {
	ctx := context.Background() // bounded by the patience of each check
	var printed text
	host := pluginhost.New(pluginhost.Options{
		Builtin: builtin.Plugin(), SelfPath: selfPath(), Version: Version, Log: inv.view.PluginLog(), Stdout: &printed,
		Sandbox: pluginhost.Sandbox(sandbox), Notify: inv.view.Notify,
	})
	defer func() { _ = host.Close() }() // what it has to say is in the report
	var files []string
	if d, err := host.DescribeBinary(ctx, binary); err == nil { // else the checks say so
		for i := range cases {
			names, err := findFiles(&cases[i], d.Components, base)
			if err != nil {
				return conformance.Report{}, err
			}
			files = append(files, names...)
		}
	}
	folder, err := os.MkdirTemp("", "autosafe-plugins-test-")
	if err != nil {
		return conformance.Report{}, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	probe, err := host.Probe(ctx, binary, files, folder)
	if err != nil {
		return conformance.Report{}, err
	}
	temp := func() (string, error) { return os.MkdirTemp(folder, "") }
	report := conformance.Check(ctx, probe, conformance.Options{Printed: printed.String, TempDir: temp}, cases...)
	end := conformance.Finding{Check: "host_gone"}
	if err := probe.HangUp(hangUpPatience); err != nil {
		end.Problems = []string{err.Error()}
	}
	report.Findings = append(report.Findings, end)
	return report, nil
}

// text is text that several goroutines write. It is bounded.
type text struct {
	mu sync.Mutex
	b  strings.Builder
}

func (t *text) Write(b []byte) (int, error) {
	const most = 1 << 16
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.b.Len() < most {
		t.b.Write(b)
	}
	return len(b), nil
}

func (t *text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

// readCases reads the cases of a file, or of the one that stands where it is
// looked for; there may be none. It also gives the file's folder.
func readCases(file, binary string) (cases []conformance.Case, base string, diags hcl.Diagnostics) {
	if file == "" {
		for _, dir := range []string{".", filepath.Dir(binary)} {
			if _, err := os.Stat(filepath.Join(dir, casesName)); err == nil {
				file = filepath.Join(dir, casesName)
				break
			}
		}
	}
	if file == "" {
		return nil, "", nil
	}
	parsed, diags := hclparse.NewParser().ParseHCLFile(file)
	if diags.HasErrors() {
		return nil, "", diags
	}
	content, diags := parsed.Body.Content(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "case", LabelNames: []string{"role", "component"}}}})
	for _, block := range content.Blocks {
		k, more := readCase(block)
		diags = append(diags, more...)
		cases = append(cases, k)
	}
	return cases, filepath.Dir(file), diags
}

func readCase(block *hcl.Block) (k conformance.Case, diags hcl.Diagnostics) {
	k.Role, k.Component, k.Config = schema.Role(block.Labels[0]), block.Labels[1], "{}"
	content, diags := block.Body.Content(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{
		{Name: "config"}, {Name: "rows"}, {Name: "reply"}, {Name: "replies"},
	}})
	var replies []string
	for name, a := range content.Attributes {
		v, more := a.Expr.Value(nil)
		diags = append(diags, more...)
		if more.HasErrors() {
			continue
		}
		b, err := schema.ValueToJSON(v)
		switch {
		case err != nil:
		case name == "config":
			k.Config = string(b)
		case name == "rows":
			k.Rows, err = elements(b, false)
		case name == "reply":
			replies, err = elements([]byte("["+string(b)+"]"), true)
		case name == "replies":
			replies, err = elements(b, true)
		}
		if err != nil {
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Unsuitable value", Detail: sentence(err.Error()), Subject: a.Expr.Range().Ptr()})
		}
	}
	if len(replies) > 0 {
		k.Models = func(_ context.Context, c conformance.Call) (sdk.Reply, error) {
			return sdk.Reply{Content: replies[c.Task%uint64(len(replies))], FinishReason: "stop", Model: "scripted"}, nil
		}
	}
	return k, diags
}

// elements are the elements of a JSON list as text; those that are strings as
// they are, where plain is set.
func elements(b []byte, plain bool) ([]string, error) {
	var list []json.RawMessage
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, errors.New("a list is needed")
	}
	var out []string
	for _, e := range list {
		var s string
		if plain && json.Unmarshal(e, &s) == nil {
			out = append(out, s)
		} else {
			out = append(out, string(e))
		}
	}
	return out, nil
}

// findFiles makes of the names in a case's arguments that are files what
// components get, and gives the files' paths.
func findFiles(k *conformance.Case, components []schema.Component, base string) (paths []string, err error) {
	i := slices.IndexFunc(components, func(c schema.Component) bool { return c.Role == k.Role && c.Name == k.Component })
	var config map[string]json.RawMessage
	if i < 0 || json.Unmarshal([]byte(k.Config), &config) != nil {
		return nil, nil // a check says so
	}
	for _, a := range components[i].Config.Attributes {
		if a.Kind != schema.Files || config[a.Name] == nil {
			continue
		}
		list, err := fileList(base, config[a.Name])
		if err != nil {
			return nil, fmt.Errorf("%s %s: the argument %s: %w", k.Role, k.Component, a.Name, err)
		}
		if config[a.Name], err = json.Marshal(list); err != nil {
			return nil, err
		}
		for _, f := range list {
			paths = append(paths, f.Path)
		}
	}
	b, err := json.Marshal(config)
	k.Config = string(b)
	return paths, err
}

// fileList are the files that a case's argument names, relative to base.
func fileList(base string, value json.RawMessage) (files []schema.File, err error) {
	var names []string
	if json.Unmarshal(value, &names) != nil {
		names = make([]string, 1)
		if json.Unmarshal(value, &names[0]) != nil {
			return nil, errors.New("it is a path or a list of paths")
		}
	}
	for _, name := range names {
		path, err := filepath.Abs(filepath.Join(base, name))
		if err != nil {
			return nil, err
		}
		files = append(files, schema.File{Name: filepath.ToSlash(name), Path: path})
	}
	return files, nil
}
