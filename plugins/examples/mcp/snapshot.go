package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Exit codes.
const (
	exitDone    = 0
	exitError   = 1
	exitDiffers = 3
	exitUsage   = 64
)

const usage = `autosafe-plugin-mcp is a plugin for autosafe, which starts it. By hand it takes
snapshots of the tools that a Model Context Protocol server offers:

  autosafe-plugin-mcp snapshot [-out FILE] [-timeout 60s] -- COMMAND [ARGUMENT...]
  autosafe-plugin-mcp snapshot [-out FILE] [-header 'NAME: VALUE']... -url URL
  autosafe-plugin-mcp snapshot -check FILE ...

  -out FILE      where the snapshot goes; by default standard output
  -check FILE    write nothing; exit 3 if the server's tools differ from the file's
  -url URL       a server over streamable HTTP
  -header LINE   a header for it; $NAME in it is that environment variable
  -timeout TIME  how long all of it may take, 60s by default
`

// snapshotFlags is what the command is told.
type snapshotFlags struct {
	out, check string
	timeout    time.Duration
	at         address
}

// snapshotCommand takes or checks a snapshot.
func snapshotCommand(args []string, stdout, stderr io.Writer) int {
	f, err := parseSnapshot(args, os.LookupEnv)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usage)
		return exitDone
	}
	if err != nil {
		fmt.Fprintf(stderr, "%v\n\n%s", err, usage)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	l, err := list(ctx, f.at, f.timeout)
	if err != nil {
		fmt.Fprintln(stderr, "error:", err)
		return exitError
	}
	for _, why := range l.leftOut {
		fmt.Fprintln(stderr, "left out:", why)
	}
	if f.check != "" {
		return f.compare(l, stdout, stderr)
	}
	text, err := l.text()
	if err == nil && f.out == "" {
		_, err = stdout.Write(text)
	} else if err == nil {
		err = replaceFile(f.out, text)
	}
	if err != nil {
		fmt.Fprintln(stderr, "error:", err)
		return exitError
	}
	fmt.Fprintf(stderr, "%d tools of %s %s\n", len(l.Tools), shown(l.Server.Name), shown(l.Server.Version))
	return exitDone
}

func parseSnapshot(args []string, lookup func(string) (string, bool)) (snapshotFlags, error) {
	var f snapshotFlags
	var header []string
	flags := flag.NewFlagSet("snapshot", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&f.out, "out", "", "")
	flags.StringVar(&f.check, "check", "", "")
	flags.StringVar(&f.at.url, "url", "", "")
	flags.DurationVar(&f.timeout, "timeout", time.Minute, "")
	flags.Func("header", "", func(line string) error { header = append(header, line); return nil })
	if err := flags.Parse(args); err != nil {
		return f, err
	}
	f.at.command = flags.Args()
	switch {
	case (f.at.url == "") == (len(f.at.command) == 0):
		return f, errors.New("say where the server is: a command after --, or -url, and not both")
	case f.out != "" && f.check != "":
		return f, errors.New("-check writes nothing, so -out goes with it badly; give one of them")
	case f.timeout <= 0:
		return f, errors.New("-timeout must be above zero")
	case len(header) > 0 && f.at.url == "":
		return f, errors.New("-header is for a server at -url")
	}
	for _, line := range header {
		name, value, ok := strings.Cut(line, ":")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return f, errors.New("-header takes a line of the form 'NAME: VALUE'")
		}
		var missing string
		value = os.Expand(strings.TrimSpace(value), func(variable string) string {
			v, ok := lookup(variable)
			if !ok {
				missing = variable
			}
			return v
		})
		if missing != "" {
			return f, fmt.Errorf("-header %s: the environment variable %s is not set", name, missing)
		}
		if f.at.headers == nil {
			f.at.headers = map[string]string{}
		}
		f.at.headers[name] = value
	}
	return f, nil
}

// compare says in what a server's tools differ from a snapshot's.
func (f snapshotFlags) compare(now listing, stdout, stderr io.Writer) int {
	before, err := readListing(f.check, f.check)
	if err != nil {
		fmt.Fprintln(stderr, "error:", err)
		return exitError
	}
	changes := differences(before, now)
	for _, line := range changes {
		fmt.Fprintln(stdout, line)
	}
	if len(changes) > 0 {
		return exitDiffers
	}
	fmt.Fprintf(stderr, "%d tools, as in the snapshot\n", len(now.Tools))
	return exitDone
}

// differences lists the tools that are new, gone or changed.
func differences(before, now listing) []string {
	var out []string
	find := func(list []tool, name string) (tool, bool) {
		i := slices.IndexFunc(list, func(t tool) bool { return t.Name == name })
		if i < 0 {
			return tool{}, false
		}
		return list[i], true
	}
	for _, t := range now.Tools {
		old, ok := find(before.Tools, t.Name)
		switch {
		case !ok:
			out = append(out, "new      "+shown(t.Name))
		case !sameTool(old, t):
			out = append(out, "changed  "+shown(t.Name))
		}
	}
	for _, t := range before.Tools {
		if _, ok := find(now.Tools, t.Name); !ok {
			out = append(out, "gone     "+shown(t.Name))
		}
	}
	return out
}

// replaceFile writes a file as a whole or not at all, and leaves one alone that
// is equal.
func replaceFile(name string, text []byte) error {
	if have, err := os.ReadFile(name); err == nil && bytes.Equal(have, text) {
		return nil
	}
	part, err := os.CreateTemp(filepath.Dir(name), ".snapshot-*")
	if err != nil {
		return err
	}
	defer os.Remove(part.Name())
	_, err = part.Write(text)
	if err := errors.Join(err, part.Chmod(0o644), part.Close()); err != nil {
		return err
	}
	return os.Rename(part.Name(), name)
}
