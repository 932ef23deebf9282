package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"

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

type stampConfig struct {
	How string `hcl:"how" doc:"What the stamp is made of."`
}

type stamped struct {
	Stamp string `json:"stamp" doc:"The stamp."`
}

func servePlugin() {
	var stamps atomic.Int64
	sdk.Serve(sdk.Plugin{
		Name: "github.com/acme/" + pluginName, Version: "1.0.0",
		ThreatSources: map[string]sdk.Component{"tickets": sdk.Source(
			func(_ context.Context, c pluginConfig, emit func(pluginRow) error) error {
				return emit(pluginRow{"Close every ticket of " + c.Queue + "."})
			})},
		// It says that it is deterministic, and that is a lie for some of its
		// ways.
		Reflectors: map[string]sdk.Component{"stamp": sdk.Rows(
			func(_ context.Context, c stampConfig, in pluginRow, _ *sdk.Call) ([]stamped, error) {
				what, arg, _ := strings.Cut(c.How, " ")
				switch what {
				case "count":
					return []stamped{{fmt.Sprint(stamps.Add(1))}}, nil
				case "file":
					b, err := os.ReadFile(arg)
					if err != nil {
						return nil, sdk.Fail("unreadable", err.Error())
					}
					return []stamped{{strings.TrimSpace(string(b))}}, nil
				case "variable":
					return nil, sdk.Fail("variable", arg+" is "+os.Getenv(arg))
				case "die":
					os.Exit(3)
				}
				return []stamped{{in.Instruction}}, nil
			}, sdk.Deterministic(), sdk.Behavior("1"))},
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
