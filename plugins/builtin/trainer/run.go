package trainer

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/autosafe/autosafe/plugins/sdk"
)

// outName is where a trainer writes its model and its checkpoints, below the
// training's folder.
const outName = "output"

// logName is where what a command prints is kept.
const logName = "train.log"

// look is how often a log is looked at.
const look = 200 * time.Millisecond

// a training is a command at work.
type training struct {
	job *sdk.Job
	// args follow the recipe's command.
	args []string
	// read takes new text of the command's log (or of what it prints) and gives the
	// points in it.
	read func(line string) (p sdk.Point, total int, ok bool)
	// log is the file that is followed, below the training's folder; empty: what
	// the command prints.
	log string

	curve []sdk.Point
	total int
	seen  int64 // bytes of the log that were read
	half  []byte
}

// run runs the command to its end and follows its log.
func (t *training) run(ctx context.Context) error {
	t.catchUp() // what an earlier run has logged
	name, err := exec.LookPath(t.job.Command[0])
	if err != nil {
		return sdk.Fail("no_command", fmt.Sprintf("the command %q is not found: install it, or give its path in command", t.job.Command[0]))
	}
	printed, err := os.OpenFile(filepath.Join(t.job.Work, logName), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		return fmt.Errorf("the log: %w", err)
	}
	defer printed.Close()
	words := &lastWords{}
	cmd := exec.Command(name, append(t.job.Command[1:len(t.job.Command):len(t.job.Command)], t.args...)...)
	cmd.Dir = t.job.Work
	cmd.Stdout = io.MultiWriter(printed, words)
	cmd.Stderr = cmd.Stdout
	cmd.WaitDelay = 5 * time.Second // for those that hold its output when it is gone
	prepare(cmd)
	t.job.Progress("starting", sdk.Point{}, 0)
	done := make(chan error, 1)
	if err := start(cmd, done); err != nil {
		return fmt.Errorf("starting %s: %w", t.job.Command[0], err)
	}
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			t.catchUp()
			if err != nil && ctx.Err() == nil && !errors.Is(err, exec.ErrWaitDelay) {
				return &sdk.Error{Code: "training_failed", Summary: fmt.Sprintf("%s failed: %s", t.job.Command[0], ended(err)), Detail: words.String()}
			}
			return ctx.Err()
		case <-ctx.Done():
			end(cmd)
			return cmp.Or(ctx.Err(), <-done)
		case <-tick.C:
			t.readOn()
		}
	}
}

// ended says how a command ended.
func ended(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ProcessState.String()
	}
	return err.Error()
}

// catchUp reads all of the log, to which nothing is added now.
func (t *training) catchUp() {
	for t.readOn() {
	}
}

// readOn reads a piece of what was added to the log, and says whether there may be
// more. A log that cannot be read tells nothing; the training goes on all the same.
func (t *training) readOn() bool {
	name := t.log
	if name == "" {
		name = logName
	}
	f, err := os.Open(filepath.Join(t.job.Work, filepath.FromSlash(name)))
	if err != nil {
		return false
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() < t.seen { // written anew
		t.seen, t.half = 0, nil
	}
	if _, err := f.Seek(t.seen, io.SeekStart); err != nil {
		return false
	}
	b, err := io.ReadAll(io.LimitReader(f, maxLog))
	if err != nil {
		return false
	}
	t.seen += int64(len(b))
	t.half = append(t.half, b...)
	told := false
	for {
		line, rest, ok := bytes.Cut(t.half, []byte("\n"))
		if !ok {
			break
		}
		t.half = rest
		told = t.take(string(line)) || told
	}
	if len(t.half) > maxLine {
		t.half = nil
	}
	if n := len(t.curve); told && n > 0 {
		t.job.Progress("training", t.curve[n-1], t.total)
	}
	return len(b) == maxLog
}

// Bounds on what is read of a log at a time, and of a line.
const (
	maxLog  = 16 << 20
	maxLine = 1 << 20
)

// take takes a line of the log. A step that was told before, by a run that was
// broken off after its last checkpoint, is told anew.
func (t *training) take(line string) bool {
	p, total, ok := t.read(line)
	if !ok {
		return false
	}
	t.total = max(t.total, total)
	for len(t.curve) > 0 && t.curve[len(t.curve)-1].Step > p.Step {
		t.curve = t.curve[:len(t.curve)-1]
	}
	if n := len(t.curve); n > 0 && t.curve[n-1].Step == p.Step {
		last := &t.curve[n-1]
		merge(&last.Loss, p.Loss)
		merge(&last.ValidLoss, p.ValidLoss)
		merge(&last.Epoch, p.Epoch)
		return true
	}
	t.curve = append(t.curve, p)
	return true
}

func merge(to **float64, from *float64) {
	if from != nil {
		*to = from
	}
}

// lastWords keeps the end of what a command printed.
type lastWords struct {
	mu sync.Mutex
	b  []byte
}

// maxWords is how much of it is told.
const maxWords = 2000

// Write implements io.Writer.
func (w *lastWords) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.b = append(w.b, p...)
	if len(w.b) > 2*maxWords {
		w.b = append([]byte(nil), w.b[len(w.b)-maxWords:]...)
	}
	return len(p), nil
}

func (w *lastWords) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.TrimSpace(string(w.b[max(0, len(w.b)-maxWords):]))
}

// checkpointName is a checkpoint's folder, as Hugging Face's trainer calls it.
func checkpointName() *regexp.Regexp { return regexp.MustCompile(`^checkpoint-(\d{1,9})$`) }

// checkpoints are the whole checkpoints of a training, in order of step: those
// that have the trainer's state, which is written last.
func checkpoints(work string) []sdk.Checkpoint {
	entries, err := os.ReadDir(filepath.Join(work, outName))
	if err != nil {
		return nil // there are none yet
	}
	var out []sdk.Checkpoint
	pattern := checkpointName()
	for _, e := range entries {
		m := pattern.FindStringSubmatch(e.Name())
		if m == nil {
			continue
		}
		if _, err := os.Stat(filepath.Join(work, outName, e.Name(), "trainer_state.json")); err != nil {
			continue
		}
		step, err := strconv.Atoi(m[1])
		if err == nil {
			out = append(out, sdk.Checkpoint{Model: outName + "/" + e.Name(), Step: step})
		}
	}
	slices.SortFunc(out, func(a, b sdk.Checkpoint) int { return cmp.Compare(a.Step, b.Step) })
	return out
}

// lastCheckpoint is the folder of the last one; "" where there is none.
func lastCheckpoint(work string) string {
	list := checkpoints(work)
	if len(list) == 0 {
		return ""
	}
	return filepath.Join(work, filepath.FromSlash(list[len(list)-1].Model))
}

// result is what a training came to, once its command has ended well.
func (t *training) result(base string) (*sdk.Tuned, error) {
	found := false
	for _, name := range []string{"adapter_config.json", "config.json"} {
		if _, err := os.Stat(filepath.Join(t.job.Work, outName, name)); err == nil {
			found = true
		}
	}
	if !found {
		return nil, sdk.Fail("no_model", fmt.Sprintf("%s ended well and left no model: neither adapter_config.json nor config.json is in %s", t.job.Command[0], filepath.Join(t.job.Work, outName)))
	}
	out := &sdk.Tuned{Model: t.job.Model, Base: base, Folder: filepath.Base(t.job.Work) + "/" + outName, Checkpoints: checkpoints(t.job.Work), Curve: t.curve}
	if n := len(t.curve); n > 0 {
		out.Steps = t.curve[n-1].Step
	}
	return out, nil
}

// write writes a file into the training's folder.
func write(job *sdk.Job, name string, text []byte) error {
	if err := os.WriteFile(filepath.Join(job.Work, name), text, 0o666); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
