package sdk_test

import (
	"context"
	"fmt"
	"os"

	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/sdktest"
	"github.com/autosafe/autosafe/spec/schema"
)

type ticketConfig struct {
	Queue string `hcl:"queue" doc:"The queue to read."`
	Count int    `hcl:"count" default:"2" min:"1" doc:"How many tickets."`
}

type ticket struct {
	Instruction string `json:"instruction" doc:"What the customer asks for."`
}

func tickets() sdk.Plugin {
	return sdk.Plugin{
		Name: "github.com/acme/autosafe-plugin-acme", Version: "1.0.0",
		ThreatSources: map[string]sdk.Component{
			"tickets": sdk.Source(func(_ context.Context, cfg ticketConfig, emit func(ticket) error) error {
				for i := range cfg.Count {
					if err := emit(ticket{fmt.Sprintf("Close ticket %d of %s.", i+1, cfg.Queue)}); err != nil {
						return err
					}
				}
				return nil
			}, sdk.Doc("Support tickets of a queue.")),
		},
	}
}

// A whole source plugin. Its main is
//
//	func main() { sdk.Serve(tickets()) }
func Example() {
	if err := sdktest.Print(os.Stdout, tickets(), schema.ThreatSource, "tickets", `{"queue":"billing"}`); err != nil {
		fmt.Println(err)
	}
	// Output:
	// {"instruction":"Close ticket 1 of billing."}
	// {"instruction":"Close ticket 2 of billing."}
}
