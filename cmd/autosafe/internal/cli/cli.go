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
	"github.com/autosafe/autosafe/internal/pluginhost"
	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell"
)

// Exit codes. They are part of the contract with scripts.
const (
	exitDone        = 0
	exitError       = 1
	exitChanges     = 2 // plan -detailed-exitcode: a build would do something
	exitUnformatted = 3 // fmt -check: a file is not in canonical form
	exitAssert      = 4 // an evaluation's assert does not hold
	exitFailures    = 5 // more rows failed than allowed
	exitBudget      = 6 // -budget-usd was reached
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
	name    string // with its group's name in front, if it is in one
	args    string // as shown in its usage line
	minArgs int    // how many it needs
	maxArgs int    // how many it takes; negative: any number
	short   string // one line, for the list of commands
	long    string
	hidden  bool
	takes   takes
	// setup declares flags and returns what to run once they are parsed. It is
	// nil for a group that does nothing of its own.
	setup func(*flag.FlagSet) func(*invocation) int
	// group are the commands that a word behind the name chooses from.
	group []command
}

// takes says which flags a command shares with others.
type takes int

const (
	takesNone    takes = iota
	takesCache         // it works on a cache
	takesPlugins       // it may start plugins, too
	takesRecipe        // it reads a recipe, and may do both
)

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
		initCommand(), validateCommand(), fmtCommand(), planCommand(), buildCommand(),
		whyCommand(), showCommand(), diffCommand(), costCommand(), callsCommand(), buildsCommand(), graphCommand(), datasetCommand(), labelsCommand(),
		signCommand(), verifyCommand(), pushCommand(), ctlCommand(),
		batchesCommand(), finetunesCommand(), pluginsCommand(), cacheCommand(), versionCommand(), serveCommand(),
	}
}

// Run runs one command line and returns the exit code.
func Run(args []string, env Env) int {
	if len(args) == 0 {
		usage(env.Stderr)
		return exitUsage
	}
	name := args[0]
	if name == pluginhost.LaunchArgument { // no command: it becomes another program
		return pluginhost.Launch(args[1:])
	}
	if shell.Serves(args) { // no command: it becomes the process of a sandboxed shell
		return shell.Serve()
	}
	switch {
	case asksHelp(name):
		return help(args[1:], env)
	case name == "-version" || name == "--version":
		name = "version"
	}
	for _, c := range commands() {
		if c.name == name {
			return c.choose(args[1:], env)
		}
	}
	advice := view.DidYouMean(name, commandNames())
	if strings.HasPrefix(name, "-") {
		advice = " Flags stand after the command."
	}
	fmt.Fprintf(env.Stderr, "autosafe: no command %s.%s\nRun autosafe help for the list.\n", view.Quote(name), advice)
	return exitUsage
}

func commandNames() []string { return namesOf(commands()) }

// namesOf are the names of commands as they are typed, without their group's.
func namesOf(list []command) []string {
	var names []string
	for _, c := range list {
		if !c.hidden {
			names = append(names, lastWord(c.name))
		}
	}
	return names
}

func lastWord(s string) string { return s[strings.LastIndexByte(s, ' ')+1:] }

// choose runs the command of a group that the first argument names, or else
// the command itself.
func (c command) choose(args []string, env Env) int {
	if len(c.group) == 0 {
		return c.run(args, env)
	}
	if len(args) > 0 {
		for _, member := range c.group {
			if lastWord(member.name) == args[0] {
				return member.run(args[1:], env)
			}
		}
	}
	switch {
	case c.setup == nil && len(args) == 0:
		c.groupHelp(env.Stderr)
		return exitUsage
	case c.setup == nil && asksHelp(args[0]):
		c.groupHelp(env.Stdout)
		return exitDone
	case len(args) > 0 && asksHelp(args[0]):
		return c.run([]string{"-help"}, env)
	case len(args) > 0 && (c.setup == nil || !strings.HasPrefix(args[0], "-")):
		fmt.Fprintf(env.Stderr, "autosafe %s: no command %s.%s\nRun autosafe help %s for the list.\n",
			c.name, view.Quote(args[0]), view.DidYouMean(args[0], namesOf(c.group)), c.name)
		return exitUsage
	}
	return c.run(args, env)
}

func (c command) run(args []string, env Env) int {
	inv := &invocation{Env: env, command: c.name}
	flags := flag.NewFlagSet(c.name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	inv.common.declare(flags, c.takes)
	run := c.setup(flags)
	err := parse(flags, args, &inv.args)
	if errors.Is(err, flag.ErrHelp) {
		c.help(env.Stdout, flags)
		return exitDone
	}
	if err != nil {
		return inv.usageError("%v%s", err, nearFlag(flags, err))
	}
	if !inv.progress.Valid() {
		return inv.usageError("-progress is auto, tty, plain or none, not %s", view.Quote(string(inv.progress)))
	}
	if mode := pluginhost.Sandbox(inv.sandbox); mode != "" && !mode.Valid() {
		return inv.usageError("-plugin-sandbox is auto, require or off, not %s", view.Quote(inv.sandbox))
	}
	if len(inv.args) < c.minArgs {
		return inv.usageError("it takes %s", c.args)
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
		Color: view.WantColor(env.Stderr, env.Environ, inv.noColor), OutColor: view.WantColor(env.Stdout, env.Environ, inv.noColor), Dumb: view.IsDumb(env.Environ), Version: Version,
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

// nearFlag says which flag may have been meant by one that there is not.
func nearFlag(flags *flag.FlagSet, err error) string {
	given, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !ok {
		return ""
	}
	var known []string
	flags.VisitAll(func(f *flag.Flag) { known = append(known, f.Name) })
	if meant := view.DidYouMean(strings.TrimLeft(given, "-"), known); meant != "" {
		return "." + strings.Replace(meant, `"`, `"-`, 1)
	}
	return ""
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
	return Run(append(slices.Clip(args), "-help"), env)
}

// groupHelp lists the commands of a group.
func (c command) groupHelp(w io.Writer) {
	fmt.Fprintf(w, "Usage: autosafe %s COMMAND [FLAGS] [ARGUMENTS]\n\n%s\n", c.name, strings.TrimSpace(c.long))
	c.listGroup(w)
	fmt.Fprintf(w, "\nRun autosafe %s COMMAND -help for a command's arguments.\n", c.name)
}

// listGroup lists the commands of a group, if there are any.
func (c command) listGroup(w io.Writer) {
	if len(c.group) == 0 {
		return
	}
	fmt.Fprint(w, "\nCommands:\n")
	width := 0
	for _, member := range c.group {
		width = max(width, len(member.usage()))
	}
	for _, member := range c.group {
		fmt.Fprintf(w, "  %-*s  %s\n", width, member.usage(), member.short)
	}
}

// usage is how a command of a group is called.
func (c command) usage() string { return strings.TrimSpace(lastWord(c.name) + " " + c.args) }

func (c command) help(w io.Writer, flags *flag.FlagSet) {
	fmt.Fprintf(w, "Usage: autosafe %s\n", strings.TrimSpace(c.name+" [FLAGS] "+c.args))
	if len(c.group) > 0 {
		fmt.Fprintf(w, "       autosafe %s COMMAND [FLAGS] [ARGUMENTS]\n", c.name)
	}
	fmt.Fprintf(w, "\n%s\n", strings.TrimSpace(c.long))
	c.listGroup(w)
	fmt.Fprint(w, "\nFlags:\n")
	flags.VisitAll(func(f *flag.Flag) {
		arg, text := flag.UnquoteUsage(f)
		fmt.Fprintf(w, "  -%s\n        %s\n", strings.TrimSpace(f.Name+" "+arg), text)
	})
}
