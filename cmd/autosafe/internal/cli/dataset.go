package cli

import (
	"context"
	"flag"
	"os/signal"
	"strings"
	"syscall"

	"github.com/autosafe/autosafe/cmd/autosafe/internal/view"
	"github.com/autosafe/autosafe/plugins/builtin/datacheck"
	"github.com/autosafe/autosafe/plugins/builtin/export"
)

func datasetCommand() command {
	return command{
		name: "dataset", short: "check files of data against the formats of trainers",
		long:  "Works on files of data, of autosafe or of others.",
		group: []command{datasetCheckCommand()},
	}
}

func datasetCheckCommand() command {
	return command{
		name: "dataset check", args: "PATH ...", minArgs: 1, maxArgs: -1,
		short: "hold data to a format, row by row",
		long: `Checks each row of files of data by the rules of a format, and rows against each
other: a file holds rows of one form, and what the user asks in a split that is
held out (test, validation, dev, ...) is asked in no other. Each problem is shown
with file, line and field; of a row that breaks several rules, the first. Rows
that are equal to others are counted.

PATH is a file or a folder with all that is in it: .jsonl, .json (a list, or
lines), both also as .gz and .zst, and .parquet. Files of any size are read in
little memory. A folder that autosafe wrote says its format by itself; for others
-format says it:
` + formatNames() + `
LLaMA-Factory's dataset_info.json is checked where it is found.

Exit code 0: no problems; 1: problems, or the files could not be read.`,
		setup: func(flags *flag.FlagSet) func(*invocation) int {
			format := flags.String("format", "", "the format is `NAME`")
			most := flags.Int("max", 100, "list at most `N` problems, and count the others; 0 lists all")
			return func(inv *invocation) int { return inv.checkData(*format, *most) }
		},
	}
}

// formatNames lists the formats, a few to a line.
func formatNames() string {
	var b strings.Builder
	for i, f := range export.Formats() {
		switch {
		case i == 0:
			b.WriteString("  ")
		case i%6 == 0:
			b.WriteString(",\n  ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(f.Name)
	}
	return b.String() + "."
}

func (inv *invocation) checkData(format string, most int) int {
	if most < 0 {
		return inv.usageError("-max is a number of problems, 0 or more")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return inv.checkFiles(ctx, format, most)
}

func (inv *invocation) checkFiles(ctx context.Context, format string, most int) int {
	shown := 0
	totals, err := datacheck.Check(ctx, inv.args, datacheck.Options{
		Format: format,
		Report: func(p datacheck.Problem) {
			if most > 0 && shown == most {
				return
			}
			shown++
			inv.view.DataProblem(view.DataProblem(p))
		},
	})
	if ctx.Err() != nil {
		return inv.interrupted("not all was looked at; check again")
	}
	if err != nil {
		return inv.fail("Cannot check the data", err)
	}
	inv.view.DataChecked(view.DataTotals{
		Formats: totals.Formats, Files: totals.Files, Rows: totals.Rows, BadRows: totals.BadRows, Problems: totals.Problems,
		Duplicates: totals.Duplicates, Notes: totals.Notes, Shown: shown,
	})
	if totals.Problems > 0 {
		return exitError
	}
	return exitDone
}
