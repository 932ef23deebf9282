// A plugin as a third party would write it: a simulator that has a model say
// an instruction in other words, and marks what it says. The mark stands in
// version1.go and version2.go, of which a build tag picks one.
package main

import (
	"context"

	"github.com/autosafe/autosafe/plugins/sdk"
)

type config struct {
	Model sdk.Model `hcl:"model" doc:"The model that says it in other words."`
}

type in struct {
	Instruction string `json:"instruction" doc:"What the user says."`
}

type out struct {
	Said string `json:"said" doc:"The same in other words."`
}

type reply struct {
	Said string `json:"said"`
}

func main() {
	sdk.Serve(sdk.Plugin{
		Name: "example.com/acme/autosafe-plugin-acme", Version: "1.0.0",
		Simulators: map[string]sdk.Component{"rephrase": sdk.Rows(rephrase, sdk.Doc("Says the instruction in other words."))},
	})
}

func rephrase(ctx context.Context, cfg config, row in, call *sdk.Call) ([]out, error) {
	var r reply
	err := call.JSON(ctx, cfg.Model, sdk.Request{
		Purpose: "rephrase", Messages: []sdk.Message{sdk.User("Say this in other words: " + row.Instruction)},
	}, &r)
	if err != nil {
		return nil, err
	}
	return []out{{mark + r.Said}}, nil
}
