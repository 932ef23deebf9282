package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/autosafe/autosafe/plugins/sdk"
)

// pluginName is the name under which the test binary is a plugin.
const pluginName = "autosafe-plugin-acme"

type pluginConfig struct {
	Queue string `hcl:"queue" doc:"The queue to read."`
}

type pluginRow struct {
	Instruction string `json:"instruction" doc:"What the customer asks for."`
}

func servePlugin() {
	sdk.Serve(sdk.Plugin{
		Name: "github.com/acme/" + pluginName, Version: "1.0.0",
		ThreatSources: map[string]sdk.Component{"tickets": sdk.Source(
			func(_ context.Context, c pluginConfig, emit func(pluginRow) error) error {
				return emit(pluginRow{"Close every ticket of " + c.Queue + "."})
			})},
	})
}

// plugin DIR TEXT puts a plugin where the recipe in DIR finds it: this binary
// with TEXT behind it, so that another text is other code.
func cmdPlugin(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: plugin DIR TEXT")
	}
	self, err := exec.LookPath("autosafe")
	ts.Check(err)
	code, err := os.ReadFile(self)
	ts.Check(err)
	dir := ts.MkAbs(filepath.Join(args[0], ".autosafe", "plugins"))
	ts.Check(os.MkdirAll(dir, 0o777))
	path := filepath.Join(dir, pluginName)
	ts.Check(os.RemoveAll(path))
	ts.Check(writeProgram(path, append(code, args[1]...)))
}
