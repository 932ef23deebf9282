// Command autosafe builds safety training sets for LLM agents from recipes.
package main

import (
	"os"

	"github.com/autosafe/autosafe/cmd/autosafe/internal/cli"
)

func main() {
	collectSteadily(os.Args[1:])
	os.Exit(cli.Run(os.Args[1:], cli.Env{
		Stdout:  os.Stdout,
		Stderr:  os.Stderr,
		Environ: os.Environ(),
	}))
}
