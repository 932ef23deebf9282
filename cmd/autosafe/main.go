// Command autosafe builds safety training sets for LLM agents from recipes.
package main

import (
	"os"
	"runtime"
	"runtime/debug"

	"github.com/autosafe/autosafe/cmd/autosafe/internal/cli"
)

func main() {
	collectLater()
	os.Exit(cli.Run(os.Args[1:], cli.Env{
		Stdout:  os.Stdout,
		Stderr:  os.Stderr,
		Environ: os.Environ(),
	}))
}

// firstCollection is how far the heap grows, in percent of the runtime's least
// heap of 4 MiB, before garbage is collected for the first time: 32 MiB. A
// command that finds nothing to do is over by then, and spends nothing on it.
const firstCollection = 800

// collectLater puts the first collection off. After it, all is as it always
// is. Who has set the runtime's own variables knows better.
func collectLater() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	normal := debug.SetGCPercent(firstCollection)
	// Nothing holds this, so the first collection finds it gone.
	runtime.AddCleanup(&struct{ self *int }{}, func(percent int) { debug.SetGCPercent(percent) }, normal)
}
