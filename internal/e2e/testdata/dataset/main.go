// Command dataset is a plugin with a component that sees all rows at once.
package main

import (
	"context"
	"strings"

	"github.com/autosafe/autosafe/plugins/sdk"
)

type config struct {
	Model sdk.Model `hcl:"model" doc:"The model that says what a row is about."`
}

type in struct {
	Instruction string `json:"instruction" doc:"What the user says."`
}

type out struct {
	About string `json:"about" doc:"What it is about."`
	Of    int    `json:"of" doc:"How many rows there are."`
}

type reply struct {
	About string `json:"about"`
}

// unique leaves rows out that say the same, and asks a model about the others.
func unique(ctx context.Context, cfg config, rows *sdk.Table[in, out]) error {
	seen := map[string]bool{}
	for i, row := range rows.Rows() {
		said := strings.ToLower(row.Instruction)
		switch {
		case seen[said]:
			rows.Drop(i, "duplicate")
			continue
		case said == "keep me.":
			continue // stays as it is
		}
		seen[said] = true
		var r reply
		err := rows.Call(i).JSON(ctx, cfg.Model, sdk.Request{Purpose: "about", Messages: []sdk.Message{sdk.User(row.Instruction)}}, &r)
		if err == nil {
			err = rows.Write(i, out{r.About, len(rows.Rows())})
		}
		if err != nil {
			rows.Fail(i, err)
		}
	}
	return nil
}

func main() {
	sdk.Serve(sdk.Plugin{
		Name: "example.com/acme/autosafe-plugin-acme", Version: "1.0.0",
		Simulators: map[string]sdk.Component{"unique": sdk.Dataset(unique, sdk.Behavior("1"), sdk.Deterministic(), sdk.Doc("Leaves out what was said before."))},
	})
}
