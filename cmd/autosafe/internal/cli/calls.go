package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/cmd/autosafe/internal/view"
	"github.com/autosafe/autosafe/internal/llm"
	"github.com/autosafe/autosafe/internal/provenance"
)

func callsCommand() command {
	list := command{
		name: "calls list", takes: takesCache,
		short: "list the model calls that the cache holds",
		long: `Lists the calls that models have answered, the newest first, as the cache holds
them: who was asked, what it took and cost, and how the reply begins. With -json
each is one line, whole.

-step lists the calls that a step of a build rests on, whether that build made
them or found them in the cache; -build those of all its steps. A build is named
by its id or its beginning, by a tag, by last, or by last~N for the Nth before
the last.`,
		setup: func(flags *flag.FlagSet) func(*invocation) int {
			var how callFilter
			how.declare(flags)
			flags.IntVar(&how.limit, "limit", 20, "list at most `N` calls; 0 lists all")
			return func(inv *invocation) int { return inv.listCalls(how) }
		},
	}
	group := list
	group.name, group.args = "calls", ""
	group.short = "list, show and export the model calls that the cache holds"
	group.group = []command{list, callsShowCommand(), callsExportCommand()}
	return group
}

func callsShowCommand() command {
	return command{
		name: "calls show", args: "KEY", minArgs: 1, maxArgs: 1, takes: takesCache,
		short: "show a call whole: prompt, reply, cost, and who used it",
		long: `Shows one call: what was sent, what came back, what it took and cost, and the
rows of the recorded builds that rest on it. KEY is the call's key or its
beginning; autosafe calls lists keys.`,
		setup: func(flags *flag.FlagSet) func(*invocation) int {
			full := flags.Bool("full", false, "do not cut long messages")
			return func(inv *invocation) int { return inv.showCall(*full) }
		},
	}
}

func callsExportCommand() command {
	return command{
		name: "calls export", takes: takesCache,
		short: "write calls as a log that a build can run against",
		long: `Writes calls as JSON lines, a call a line, in order of key: the request as it was
sent and the answer as it came. autosafe build -replay FILE answers calls from
such a file. Keys and headers of endpoints are not in it; what prompts and replies
say is.

Without -o the lines go to standard output. A file is written whole or not at
all.`,
		setup: func(flags *flag.FlagSet) func(*invocation) int {
			var how callFilter
			how.declare(flags)
			out := flags.String("o", "", "write to `FILE`")
			return func(inv *invocation) int { return inv.exportCalls(how, *out) }
		},
	}
}

// callFilter says which calls are wanted.
type callFilter struct {
	provenance.CallFilter
	step, build string
	limit       int
}

func (f *callFilter) declare(flags *flag.FlagSet) {
	flags.StringVar(&f.Model, "model", "", "only calls of the model that the endpoint calls `NAME`; * is any text")
	flags.StringVar(&f.Purpose, "purpose", "", "only calls for `PURPOSE`: agent, judge, …")
	flags.StringVar(&f.step, "step", "", "only calls that the step at `ADDRESS` rests on")
	flags.StringVar(&f.build, "build", "", "only calls that `BUILD` rests on; with -step by default the last one")
	flags.Func("since", "only calls answered since `TIME`: 30m or 7d ago, 2026-11-20, 2026-11-20T15:04:05Z", f.setSince)
	flags.BoolVar(&f.Unfit, "unfit", false, "only answers that were of no use: refused, cut off, or not what was asked for")
	flags.StringVar(&f.Match, "match", "", "only calls with `TEXT` in the prompt or the reply")
}

// setSince reads a time, or how long ago it was.
func (f *callFilter) setSince(text string) error {
	var ago age
	if ago.Set(text) == nil {
		f.Since = time.Now().Add(-time.Duration(ago))
		return nil
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			f.Since = t
			return nil
		}
	}
	return errors.New("it is a time such as 2026-11-20 or 2026-11-20T15:04:05Z, or how long ago: 30m, 7d")
}

// findCalls gives the calls that are wanted, the newest first, and how many
// there are.
func (f *callFilter) find(ctx context.Context, store *cache.Store, log *provenance.CallLog) ([]provenance.CallRef, int, error) {
	if f.step != "" || f.build != "" {
		set, err := f.ofBuild(ctx, store)
		if err != nil {
			return nil, 0, err
		}
		f.Of = set
	}
	return log.Find(ctx, f.CallFilter, f.limit)
}

// ofBuild are the calls of the build, or its step, that the flags name.
func (f *callFilter) ofBuild(ctx context.Context, store *cache.Store) (*provenance.CallSet, error) {
	name := f.build
	if name == "" {
		name = "last"
	}
	b, err := findBuild(store, ".", name)
	if err != nil {
		return nil, err
	}
	if _, ok := b.Step(f.step); f.step != "" && !ok {
		var known []string
		for _, step := range b.Steps {
			known = append(known, step.Address)
		}
		return nil, fmt.Errorf("build %s has no step %s.%s", b.ID, view.Quote(f.step), meant(f.step, known))
	}
	return provenance.CallsOf(ctx, store, b, f.step)
}

func (inv *invocation) listCalls(how callFilter) int {
	if how.limit < 0 {
		return inv.usageError("-limit is a number of calls, 0 or more")
	}
	return inv.withStore("Unreadable calls", func(store *cache.Store) error {
		log, err := provenance.NewCallLog(store)
		if err != nil {
			return err
		}
		refs, found, err := how.find(context.Background(), store, log)
		if err != nil {
			return err
		}
		list := inv.view.Calls()
		for _, ref := range refs {
			call, err := log.Call(ref)
			if err != nil {
				return err
			}
			if call != nil { // nil: it went meanwhile
				list.Add(call)
			}
		}
		list.End(found)
		return nil
	})
}

// usesShown bounds how many rows that rest on a call are listed.
const usesShown = 20

func (inv *invocation) showCall(full bool) int {
	return inv.withStore("No such call", func(store *cache.Store) error {
		log, err := provenance.NewCallLog(store)
		if err != nil {
			return err
		}
		ctx := context.Background()
		ref, err := log.Resolve(ctx, inv.args[0])
		if err != nil {
			return err
		}
		call, err := log.Call(ref)
		if err != nil {
			return err
		}
		if call == nil {
			return fmt.Errorf("the record of call %s cannot be read; autosafe cache verify says more", ref.Key)
		}
		uses, more, err := log.Uses(ctx, ref.Key, usesShown)
		if err != nil {
			return err
		}
		inv.view.Call(call, uses, more, full)
		return nil
	})
}

func (inv *invocation) exportCalls(how callFilter, path string) int {
	if path == "" && inv.json {
		return inv.usageError("without -o the log itself goes to standard output, as JSON lines; leave -json out, or give -o FILE")
	}
	return inv.withStore("No log written", func(store *cache.Store) error {
		log, err := provenance.NewCallLog(store)
		if err != nil {
			return err
		}
		refs, _, err := how.find(context.Background(), store, log)
		if err != nil {
			return err
		}
		slices.SortFunc(refs, func(a, b provenance.CallRef) int { return bytes.Compare(a.Key[:], b.Key[:]) })
		written := 0
		write := func(w io.Writer) (err error) {
			written, err = writeCalls(w, log, refs)
			return err
		}
		if path == "" {
			return write(inv.view.Results())
		}
		if err := writable(path); err != nil {
			return err
		}
		if err := writeWholeWith(path, 0o644, write); err != nil {
			return fmt.Errorf("%s cannot be written: %w", view.Quote(path), pathCause(err))
		}
		inv.view.CallsExported(filepath.Clean(path), written)
		return nil
	})
}

// writeCalls writes records, a line each.
func writeCalls(w io.Writer, log *provenance.CallLog, refs []provenance.CallRef) (written int, err error) {
	out := bufio.NewWriterSize(w, 1<<16)
	for _, ref := range refs {
		rec, ok, err := log.Record(ref)
		if err != nil {
			return written, err
		}
		if !ok {
			continue
		}
		if err := llm.WriteRecord(out, rec); err != nil {
			return written, err
		}
		written++
	}
	return written, out.Flush()
}

// openReplay opens the log that a build or a plan is to go by; nil: none.
func openReplay(path string) (*llm.Replay, error) {
	if path == "" {
		return nil, nil
	}
	log, err := llm.OpenReplay(path)
	if bad := new(llm.LogError); err != nil && !errors.As(err, &bad) {
		return nil, fmt.Errorf("%s cannot be read: %w", view.Quote(path), pathCause(err))
	}
	return log, err
}

// replayed says what came of a log.
func (inv *invocation) replayed(log *llm.Replay) {
	if log == nil {
		return
	}
	text := strconv.Itoa(log.Used()) + " answers were taken from it"
	if log.Offline > 0 {
		text += "; its records of the offline model were passed over, which answers anew"
	}
	inv.view.Notify("Replayed a log of "+strconv.Itoa(log.Calls())+" calls", text)
}
