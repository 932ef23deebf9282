package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/key"
	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
)

// runDataset waits for its input to be whole and brings the outputs up to
// date. Waiting costs little, since rows are stored as they come, and lets an
// input that came out equal leave the outputs alone.
func (b *build) runDataset(st *stepState) error {
	rows, err := b.await(st)
	if err != nil {
		return err
	}
	st.begin = time.Now() // waiting is not its work
	st.count(func(p *progress) { p.rowsIn, p.rowsOut, p.tasks, p.inputDone = rows, rows, rows, true })
	input := b.input(st)
	var wg sync.WaitGroup
	errs := make([]error, len(st.Dataset.Outputs))
	ran := make([]bool, len(st.Dataset.Outputs))
	for i, out := range st.Dataset.Outputs {
		wg.Go(func() { ran[i], errs[i] = b.output(st, out, input) })
	}
	wg.Wait()
	documented := false
	if !slices.ContainsFunc(errs, func(err error) bool { return err != nil }) {
		var err error
		documented, err = b.documents(st)
		errs = append(errs, err)
	}
	st.count(func(p *progress) {
		p.cutOff = !documented
		for _, r := range ran {
			p.cutOff = p.cutOff && !r
		}
		if p.cutOff {
			p.rowsHit = rows
		}
	})
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	st.seconds = time.Since(st.begin).Seconds()
	b.emit(Event{Finished: st.finished(st.status())})
	return nil
}

// await reads a dataset's input to its end and counts the rows.
func (b *build) await(st *stepState) (int64, error) {
	var rows int64
	for _, in := range st.Inputs {
		n, err := b.states[in].flow.await()
		if err != nil {
			return 0, err
		}
		rows += n
	}
	if b.halted(st) {
		return 0, errStopped
	}
	return rows, nil
}

// await waits for the flow's end and returns the number of rows.
func (f *flow) await() (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for !f.done {
		f.changed.Wait()
	}
	return f.rows, f.err
}

// output brings one output up to date and says whether its component ran.
func (b *build) output(st *stepState, out *spec.OutputBody, input cache.Digest) (ran bool, err error) {
	parts, err := outputKey(st.Dataset, out, st.offline, input, b.fileDigest)
	if err != nil {
		return false, fmt.Errorf("%s: %w", out.Address, err)
	}
	k := cache.Digest(parts.Digest())
	dir := b.outDir(out.Path)
	rec, ok, err := getRecord[outputRecord](b.opts.Store, k)
	if err != nil {
		return false, err
	}
	status := StatusHit
	if !ok || st.refresh || !b.inPlace(st, out, dir, rec) {
		status = StatusRun
		if !ok {
			if err := b.checkOutput(st, out); err != nil {
				return false, err
			}
		}
		if rec, err = b.fill(st, out, dir, func(work string) (*outputRecord, error) { return b.runOutput(st, out, work) }); err != nil {
			return true, err
		}
		if err := b.keepOutput(k, parts, rec); err != nil {
			return true, err
		}
	}
	b.wroteOutput(st, out, dir, rec, status, k)
	return status == StatusRun, nil
}

// wroteOutput tells of an output that stands as it should.
func (b *build) wroteOutput(st *stepState, out *spec.OutputBody, dir string, rec *outputRecord, status Status, k cache.Digest) {
	sum := summarise(st, out, dir, rec)
	sum.Status, sum.Key, sum.record = status, k, rec
	b.mu.Lock()
	b.outputs[out] = sum
	b.mu.Unlock()
	b.emit(Event{Output: sum})
}

func (b *build) keepOutput(k cache.Digest, parts key.List, rec *outputRecord) error {
	if _, err := b.opts.Store.PutBlob(parts.Encode()); err != nil {
		return err
	}
	return putRecord(b.opts.Store, k, rec)
}

func summarise(st *stepState, out *spec.OutputBody, dir string, rec *outputRecord) *OutputSummary {
	sum := &OutputSummary{
		Address: st.Address, Path: dir, Format: out.Role.Component.Name,
		Files: len(rec.Files), Rows: rec.Rows, Splits: rec.Splits, Skipped: rec.Skipped,
	}
	var all bytes.Buffer
	for _, f := range rec.Files {
		fmt.Fprintf(&all, "%s  %s\n", f.Digest, f.Path)
	}
	sum.SHA256 = cache.Sum(all.Bytes()).String()
	return sum
}

// inPlace says whether the files of an output stand where they should, with
// the content they should have. The card counts too: another output may have
// written equal files, yet say other things of them.
func (b *build) inPlace(st *stepState, out *spec.OutputBody, dir string, rec *outputRecord) bool {
	for _, f := range rec.Files {
		d, size, err := b.opts.Store.FileDigest(filepath.Join(dir, filepath.FromSlash(f.Path)))
		if err != nil || d != f.Digest || size != f.Size {
			return false
		}
	}
	want, err := cardOf(out, st.offline, rec).encode()
	if err != nil {
		return false
	}
	have, err := os.ReadFile(filepath.Join(dir, cardName))
	return err == nil && bytes.Equal(have, want)
}

// runOutput gives every row to an output's component and collects the files
// that it wrote.
func (b *build) runOutput(st *stepState, out *spec.OutputBody, work string) (*outputRecord, error) {
	run, err := b.start(st, &out.Role, out.Address, work, nil)
	if err != nil {
		return nil, err
	}
	defer run.Close()
	st.addCalls(run.Counts)
	calls := b.tracer(traceCalls)
	rec := &outputRecord{Files: []fileRecord{}, Splits: map[string]int64{}, Skipped: map[string]int64{}}
	sent := make(chan error, 1)
	splits := &splitLog{}
	go func() {
		err := b.sendRows(st, run, splits)
		if err != nil {
			run.Close() // which ends collect
		}
		sent <- err
	}()
	recvErr := collect(run, rec, splits, calls)
	if recvErr != nil {
		run.Close() // which ends sendRows
	}
	// When the reading broke off, that is the cause; a run that was closed
	// for it reports nothing of interest.
	if err := <-sent; err != nil && (recvErr == nil || !errors.As(err, new(*sendError))) {
		return nil, err
	}
	if recvErr != nil {
		return nil, recvErr
	}
	if rec.Calls, err = calls.finish(); err != nil {
		return nil, err
	}
	splits.count(rec.Splits)
	countLines(rec)
	for _, n := range rec.Splits {
		rec.Rows += n
	}
	sort.Slice(rec.Files, func(i, j int) bool { return rec.Files[i].Path < rec.Files[j].Path })
	return rec, nil
}

// sendError is an error of the run itself; what it says when receiving tells
// more.
type sendError struct{ error }

// countLines takes the splits' rows from the files, where these are named
// after their split (train.jsonl, train-00000-of-00001.parquet) and say how
// many rows they hold: a row of the dataset may make several rows of an
// output. A file that is named otherwise and holds none, such as a README,
// says nothing.
func countLines(rec *outputRecord) {
	lines := map[string]int64{}
	for _, f := range rec.Files {
		split := SplitOfFile(path.Base(f.Path), slices.Collect(maps.Keys(rec.Splits)))
		if split == "" && f.Rows == 0 {
			continue
		}
		if split == "" || f.Rows == 0 {
			return
		}
		lines[split] += f.Rows
	}
	if len(lines) == len(rec.Splits) {
		rec.Splits = lines
	}
}

// splitLog remembers which split each row went to, in one byte a row, so that
// rows that a format has no place for can be taken off their split's count.
type splitLog struct {
	mu    sync.Mutex
	names []string
	of    []uint8
}

// skipped is the split of a row that was left out.
const skipped = 255

func (l *splitLog) add(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.names, name)
	if i < 0 {
		i = len(l.names)
		l.names = append(l.names, name)
	}
	l.of = append(l.of, uint8(i))
}

// skip says that a row was left out; false if there is no such row.
func (l *splitLog) skip(seq uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if seq >= uint64(len(l.of)) || l.of[seq] == skipped {
		return false
	}
	l.of[seq] = skipped
	return true
}

func (l *splitLog) count(splits map[string]int64) {
	for _, i := range l.of {
		if i != skipped {
			splits[l.names[i]]++
		}
	}
}

// collect takes an output's results and files until it is done.
func collect(run Run, rec *outputRecord, splits *splitLog, calls *tracer) error {
	for {
		ev, err := run.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, res := range ev.Results {
			calls.calls(res.Calls)
			if res.Err != nil {
				return &RunError{Code: res.Err.Code, Summary: res.Err.Summary, Detail: res.Err.Detail}
			}
			if res.Dropped == "" {
				continue
			}
			if !splits.skip(res.Seq) {
				return &RunError{Code: "bad_result", Summary: "the output skipped a row that it was not given", Detail: fmt.Sprintf("number %d", res.Seq)}
			}
			rec.Skipped[res.Dropped]++
		}
		if a := ev.Artifact; a != nil {
			rec.Files = append(rec.Files, fileRecord{Path: a.Path, Rows: a.Rows, MediaType: a.MediaType})
		}
	}
}

// sendRows gives the dataset's rows, each with its split, to a component.
func (b *build) sendRows(st *stepState, run Run, splits *splitLog) error {
	in := b.reader(st)
	var seq uint64
	err := pipeline[span, []Task]{
		next: func() (span, bool, error) {
			if b.halted(st) {
				return span{}, false, errStopped
			}
			return in.span()
		},
		stop: in.stop,
		work: func(s span) ([]Task, error) { return outputTasks(st, s) },
		done: func(tasks []Task) error {
			for i := range tasks {
				tasks[i].Seq = seq
				seq++
				splits.add(tasks[i].Split)
			}
			return asSendError(run.Send(tasks))
		},
	}.run()
	if err != nil {
		return err
	}
	return asSendError(run.CloseSend())
}

// outputTasks gives an output's tasks, but for their numbers.
func outputTasks(st *stepState, s span) ([]Task, error) {
	texts, err := s.texts()
	if err != nil {
		return nil, err
	}
	tasks := make([]Task, len(texts))
	var p row.Parser
	for i, text := range texts {
		tasks[i] = Task{Row: text, Split: defaultSplit}
		if st.Dataset.Split == nil {
			continue
		}
		r, err := p.FromCanonical(text)
		if err == nil {
			tasks[i].Split, err = splitOf(st.Dataset.Split, r)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: split: %w", st.Address, err)
		}
	}
	return tasks, nil
}

func asSendError(err error) error {
	if err == nil {
		return nil
	}
	return &sendError{err}
}

// defaultSplit is the split of a dataset that has no split block.
const defaultSplit = "train"

// splitOf says which split a row belongs to. Rows of one ancestor (equal in
// what the split goes by, but for case and space) always share it, and it
// depends on nothing but that text and the seed: adding rows moves none.
func splitOf(s *spec.Split, r row.Row) (string, error) {
	if s == nil {
		return defaultSplit, nil
	}
	ancestor, err := s.By.EvalString(r)
	if err != nil {
		return "", err
	}
	ancestor = strings.Join(strings.Fields(strings.ToLower(ancestor)), " ")
	d := cache.Sum(append(binary.AppendVarint(nil, s.Seed), ancestor...))
	at := float64(binary.BigEndian.Uint64(d[:8])>>11) / (1 << 53)
	for _, ratio := range s.Ratios {
		if at -= ratio.Share; at < 0 {
			return ratio.Name, nil
		}
	}
	return s.Ratios[len(s.Ratios)-1].Name, nil
}
