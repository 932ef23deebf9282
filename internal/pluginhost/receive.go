package pluginhost

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
	"github.com/autosafe/autosafe/spec/schema"
)

// receive reads the stream to its end.
func (r *run) receive() {
	defer close(r.done)
	r.err = r.finish(r.read())
}

// ending is what a plugin says before it ends a run.
type ending struct {
	diags   []schema.Diagnostic
	failure *pluginpb.RowError
}

// maxProblems is how many problems a run may end with.
const maxProblems = 1000

// read hands on what comes until the stream ends.
func (r *run) read() (ending, error) {
	var end ending
	for {
		msg, err := r.stream.Recv()
		if err != nil {
			return end, err
		}
		if r.failed() {
			return end, nil // what comes now failed for the same reason
		}
		var ev engine.RunEvent
		switch m := msg.GetMessage().(type) {
		case *pluginpb.RunResponse_Results:
			if ev.Results, err = r.results(m.Results.GetResults()); err == nil {
				err = r.block(&ev, m.Results)
			}
		case *pluginpb.RunResponse_Artifact:
			ev.Artifact, err = r.artifact(m.Artifact)
		case *pluginpb.RunResponse_Diagnostic:
			if len(end.diags) == maxProblems {
				return end, badResult("the plugin reports problems without end", "")
			}
			end.diags = append(end.diags, r.process.diagnostic(m.Diagnostic))
			continue
		case *pluginpb.RunResponse_Failure:
			end.failure = m.Failure
			continue
		case *pluginpb.RunResponse_Progress:
			m.Progress.Note = r.process.secrets.Replace(m.Progress.GetNote())
			ev.Note = readNote(m.Progress)
		default:
			continue // of a later minor version
		}
		if err != nil {
			return end, err
		}
		if len(ev.Results) > 0 || ev.Same > 0 || ev.Artifact != nil || ev.Note != nil {
			r.touch() // an empty message is no sign of life
		}
		if !r.deliver(ev) {
			return end, r.ctx.Err()
		}
	}
}

// finish says how the run ended. It also ends what is left of it.
func (r *run) finish(end ending, err error) error {
	defer r.cancel()
	r.mu.Lock()
	fatal, owed, closed := r.fatal, len(r.tasks), r.closed
	r.mu.Unlock()
	var e *engine.RunError
	switch {
	case fatal != nil:
		return fatal
	case errors.As(err, &e):
		return e
	case r.parent.Err() != nil:
		return r.parent.Err()
	case len(end.diags) > 0:
		return refused(end.diags)
	case end.failure != nil:
		f := r.rowError(end.failure)
		return &engine.RunError{Code: f.Code, Summary: f.Summary, Detail: f.Detail}
	case errors.Is(err, io.EOF) && owed > 0:
		return badResult("the plugin ended without an answer to every row", fmt.Sprintf("%d rows are without one.", owed))
	case errors.Is(err, io.EOF) && !closed && r.spec.Role != schema.ThreatSource:
		return badResult("the plugin ended before it had seen every row", "")
	case errors.Is(err, io.EOF):
		return io.EOF
	case r.ctx.Err() != nil:
		return r.ctx.Err() // by Close
	}
	return r.process.callError(err)
}

// refused is a configuration that the component will not run with.
func refused(diags []schema.Diagnostic) *engine.RunError {
	e := &engine.RunError{Code: "config_refused", Diagnostics: diags}
	for _, d := range diags {
		if !d.Warning {
			e.Summary, e.Detail = d.Summary, d.Detail
			return e
		}
	}
	e.Summary = "the plugin ended the run"
	return e
}

// readNote takes over how far a plugin says that it is.
func readNote(m *pluginpb.Progress) *engine.Note {
	note := &engine.Note{
		Text: cleanLine(m.GetNote(), maxReason),
		Done: int64(min(m.GetDone(), math.MaxInt64)), Total: int64(min(m.GetTotal(), math.MaxInt64)),
	}
	for name, f := range m.GetFigures() {
		if len(note.Figures) == maxFigures || math.IsNaN(f) || math.IsInf(f, 0) {
			continue // JSON knows no such number
		}
		if note.Figures == nil {
			note.Figures = map[string]float64{}
		}
		note.Figures[cleanLine(name, maxReason)] = f
	}
	return note
}

// maxFigures is how many figures of a plugin's work are shown.
const maxFigures = 16

func badResult(summary, detail string) *engine.RunError {
	return &engine.RunError{Code: "bad_result", Summary: summary, Detail: detail}
}

// results checks a batch. A breach of the protocol ends the run; a row that
// is not what was declared fails that row.
func (r *run) results(list []*pluginpb.Result) ([]engine.Result, error) {
	out := make([]engine.Result, 0, len(list))
	r.mu.Lock()
	for _, m := range list {
		res := engine.Result{Seq: m.GetSeq()}
		if r.spec.Role == schema.ThreatSource {
			if m.GetSeq() != r.next {
				r.mu.Unlock()
				return nil, badResult("the plugin numbers its rows wrongly", fmt.Sprintf("Row %d came where %d was due.", m.GetSeq(), r.next))
			}
			r.next++
		} else {
			t := r.tasks[m.GetSeq()]
			if t == nil {
				r.mu.Unlock()
				return nil, badResult("the plugin answered a row that it was not given or had answered", fmt.Sprintf("The row is number %d.", m.GetSeq()))
			}
			delete(r.tasks, m.GetSeq())
			res.Calls = t.calls
			if t.cutShort {
				res.Err = interruptedRow()
			}
		}
		out = append(out, res)
	}
	r.mu.Unlock()
	r.fillAll(out, list)
	return out, nil
}

// block takes over the name of a source's batch, and how many of its results
// were left out. That the name is known the engine checks.
func (r *run) block(ev *engine.RunEvent, m *pluginpb.ResultBatch) error {
	if r.spec.Known == nil || len(m.GetBlock()) == 0 {
		if m.GetSame() > 0 {
			return badResult("the plugin left out rows that it was asked for", "")
		}
		return nil
	}
	if len(m.GetBlock()) != len(ev.Block) || m.GetSame() > 0 && len(ev.Results) > 0 {
		return badResult("the plugin names a block of rows wrongly", "")
	}
	name := [32]byte(m.GetBlock())
	ev.Block, ev.Same = &name, int(m.GetSame())
	r.mu.Lock()
	r.next += uint64(m.GetSame())
	r.mu.Unlock()
	return nil
}

// fillAll is fill for a batch, on several cores: reading rows is most of what
// the host does with them.
func (r *run) fillAll(out []engine.Result, list []*pluginpb.Result) {
	const share = 16 // rows for which a goroutine is worth it
	var wg sync.WaitGroup
	for from := 0; from < len(list); from += share {
		some := func() {
			var p row.Parser
			for i := from; i < min(from+share, len(list)); i++ {
				r.fill(&p, &out[i], list[i])
			}
		}
		if from+share >= len(list) {
			some()
		} else {
			wg.Go(some)
		}
	}
	wg.Wait()
}

// fill takes a result's content over.
func (r *run) fill(p *row.Parser, res *engine.Result, m *pluginpb.Result) {
	switch {
	case res.Err != nil:
		return
	case m.GetError() != nil:
		res.Err = r.rowError(m.GetError())
		return
	case m.GetDropped() != "":
		res.Dropped = cleanLine(r.process.secrets.Replace(m.GetDropped()), maxReason)
		return
	case r.spec.Role == schema.Output && len(m.GetRows()) > 0:
		res.Err = &engine.RowError{Code: "bad_result", Summary: "the plugin gave rows where an output gives none"}
		return
	}
	rows := m.GetRows()
	parsed := make([]row.Row, len(rows))
	for i := range rows {
		written, err := r.columns.read(p, rows[i])
		if err != nil {
			res.Err = &engine.RowError{Code: "bad_result", Summary: "the plugin gave a row that is not what it declares", Detail: r.process.secrets.Replace(err.Error())}
			return
		}
		rows[i], parsed[i] = written.Bytes(), written
	}
	res.Rows, res.Parsed = rows, parsed
}

// readError takes a plugin's error over, made harmless.
func readError(m *pluginpb.RowError) *engine.RowError {
	e := &engine.RowError{
		Code: m.GetCode(), Summary: cleanLine(m.GetSummary(), maxReason),
		Detail: cleanText(m.GetDetail(), maxDetail), Transient: m.GetTransient(),
	}
	if !codeForm().MatchString(e.Code) {
		e.Code = "error"
	}
	if e.Summary == "" {
		e.Summary = strings.ReplaceAll(e.Code, "_", " ")
	}
	return e
}

// codeForm is what codes look like: rows are counted under them.
func codeForm() *regexp.Regexp { return regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`) }

// artifact checks that the file is there, below the folder that it was to be
// written to.
func (r *run) artifact(m *pluginpb.Artifact) (*engine.Artifact, error) {
	name := m.GetPath()
	if r.spec.Role != schema.Output || r.spec.WorkDir == "" {
		return nil, badResult("the plugin reported a file, but it is no output", "")
	}
	if !filepath.IsLocal(filepath.FromSlash(name)) || strings.ContainsAny(name, "\\:\x00") {
		return nil, badResult("the plugin reported a file outside its folder", cleanLine(name, maxReason))
	}
	root, err := os.OpenRoot(r.spec.WorkDir)
	if err != nil {
		return nil, runError("output_failed", "the output's folder cannot be read", err)
	}
	defer func() { _ = root.Close() }()
	info, err := root.Lstat(filepath.FromSlash(name))
	if err != nil || !info.Mode().IsRegular() {
		return nil, badResult("the plugin reported a file that it did not write", cleanLine(name, maxReason))
	}
	return &engine.Artifact{Path: name, Rows: max(m.GetRows(), 0), MediaType: cleanLine(m.GetMediaType(), maxReason)}, nil
}
