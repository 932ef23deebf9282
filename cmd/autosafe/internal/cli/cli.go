// Package cli holds autosafe's commands, a file each: what arguments a
// command takes and in what order it calls the packages that do the work. How
// things look is package view's business.
package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/cmd/autosafe/internal/view"
)

// Exit codes. They are part of the contract with scripts.
const (
	exitDone        = 0
	exitError       = 1
	exitChanges     = 2 // plan -detailed-exitcode: a build would do something
	exitUnformatted = 3 // fmt -check: a file is not in canonical form
	exitFailures    = 5 // more rows failed than allowed
	exitUsage       = 64
	exitInterrupted = 130
)

// Env is what a command sees of the world.
type Env struct {
	Stdout, Stderr io.Writer
	Environ        []string
}

// command is one subcommand.
type command struct {
	name    string
	args    string // as shown in its usage line
	maxArgs int    // how many it takes; negative: any number
	short   string // one line, for the list of commands
	long    string
	hidden  bool
	recipe  bool // it reads one, and takes the flags for that
	// setup declares flags and returns what to run once they are parsed.
	setup func(*flag.FlagSet) func(*invocation) int
}

// invocation is one run of a command.
type invocation struct {
	Env
	common
	command string
	view    *view.View
	args    []string // what is left beside the flags
}

// commands is the table of subcommands in the order in which help lists them.
func commands() []command {
	return []command{
		validateCommand(), fmtCommand(), planCommand(), buildCommand(),
		showCommand(), graphCommand(), versionCommand(), serveCommand(),
	}
}

// Run runs one command line and returns the exit code.
func Run(args []string, env Env) int {
	if len(args) == 0 {
		usage(env.Stderr)
		return exitUsage
	}
	name := args[0]
	switch {
	case asksHelp(name):
		return help(args[1:], env)
	case name == "-version" || name == "--version":
		name = "version"
	}
	for _, c := range commands() {
		if c.name == name {
			return c.run(args[1:], env)
		}
	}
	advice := view.DidYouMean(name, commandNames())
	if strings.HasPrefix(name, "-") {
		advice = " Flags stand after the command."
	}
	fmt.Fprintf(env.Stderr, "autosafe: no command %s.%s\nRun autosafe help for the list.\n", view.Quote(name), advice)
	return exitUsage
}

func commandNames() []string {
	var names []string
	for _, c := range commands() {
		if !c.hidden {
			names = append(names, c.name)
		}
	}
	return names
}

func (c command) run(args []string, env Env) int {
	inv := &invocation{Env: env, command: c.name}
	flags := flag.NewFlagSet(c.name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	inv.common.declare(flags, c.recipe)
	run := c.setup(flags)
	err := parse(flags, args, &inv.args)
	if errors.Is(err, flag.ErrHelp) {
		c.help(env.Stdout, flags)
		return exitDone
	}
	if err != nil {
		return inv.usageError("%v", err)
	}
	if !inv.progress.Valid() {
		return inv.usageError("-progress is auto, tty, plain or none, not %s", view.Quote(string(inv.progress)))
	}
	if c.maxArgs >= 0 && len(inv.args) > c.maxArgs {
		return inv.usageError("%s is one argument too many", view.Quote(inv.args[c.maxArgs]))
	}
	if inv.chdir != "" {
		if err := os.Chdir(inv.chdir); err != nil {
			return inv.usageError("-chdir: %v", err)
		}
	}
	inv.view = view.New(view.Options{
		Stdout: env.Stdout, Stderr: env.Stderr, JSON: inv.json, Quiet: inv.quiet, Progress: inv.progress,
		Color: view.WantColor(env.Stderr, env.Environ, inv.noColor), Dumb: view.IsDumb(env.Environ), Version: Version,
	})
	code := run(inv)
	inv.view.Exit(code)
	if err := inv.view.Lost(); err != nil {
		fmt.Fprintf(env.Stderr, "autosafe %s: the output is not complete: %v\n", c.name, err)
		if code == exitDone {
			code = exitError
		}
	}
	return code
}

// parse takes flags before, between and after the other arguments, with one
// dash or two. After -- everything is an argument.
func parse(flags *flag.FlagSet, args []string, rest *[]string) error {
	for {
		if err := flags.Parse(args); err != nil {
			return err
		}
		left := flags.Args()
		if len(left) == 0 {
			return nil
		}
		if n := len(args) - len(left); n > 0 && args[n-1] == "--" {
			*rest = append(*rest, left...)
			return nil
		}
		*rest = append(*rest, left[0])
		args = left[1:]
	}
}

// usageError tells what is wrong with a command's arguments.
func (inv *invocation) usageError(format string, args ...any) int {
	fmt.Fprintf(inv.Stderr, "autosafe %s: %s\nRun autosafe %s -help for its arguments.\n",
		inv.command, view.Clean(fmt.Sprintf(format, args...)), inv.command)
	return exitUsage
}

// dir is the recipe's folder: the one argument, or the current folder.
func (inv *invocation) dir() string {
	if len(inv.args) == 0 {
		return "."
	}
	return inv.args[0]
}

func usage(w io.Writer) {
	fmt.Fprint(w, `autosafe builds safety training sets for LLM agents from recipes.

Usage: autosafe COMMAND [ARGUMENTS]

Commands:
`)
	for _, c := range commands() {
		if !c.hidden {
			fmt.Fprintf(w, "  %-10s %s\n", c.name, c.short)
		}
	}
	fmt.Fprint(w, "\nRun autosafe COMMAND -help for a command's arguments.\n")
}

// asksHelp holds for the ways to ask for help.
func asksHelp(arg string) bool {
	return slices.Contains([]string{"help", "-h", "-help", "--help"}, arg)
}

func help(args []string, env Env) int {
	if len(args) == 0 || asksHelp(args[0]) {
		usage(env.Stdout)
		return exitDone
	}
	return Run([]string{args[0], "-help"}, env)
}

func (c command) help(w io.Writer, flags *flag.FlagSet) {
	fmt.Fprintf(w, "Usage: autosafe %s\n\n%s\n\nFlags:\n", strings.TrimSpace(c.name+" [FLAGS] "+c.args), strings.TrimSpace(c.long))
	flags.VisitAll(func(f *flag.Flag) {
		arg, text := flag.UnquoteUsage(f)
		fmt.Fprintf(w, "  -%s\n        %s\n", strings.TrimSpace(f.Name+" "+arg), text)
	})
}
