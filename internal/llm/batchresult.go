package llm

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	openai "github.com/sashabaranov/go-openai"
)

// harvest reads the results of a batch that has ended.
type harvest struct {
	r     *batchRun
	batch openai.Batch
	chunk []batchItem // the last one that was looked into
	at    int

	group    []gathered  // answers that are not durable yet
	kept     []*gathered // those that are, and somebody waits for
	answered int
	failed   map[[32]byte]*failure // in place of an answer
	seen     map[[32]byte]bool     // requests with an answer or a failure
	strange  int                   // lines that make no sense
	gone     bool                  // a file is there no more
	err      error                 // of the store: no use in reading on
}

// gathered is an answer that is kept with others.
type gathered struct {
	item   batchItem
	answer Answer
}

// groupSize is how many answers are made durable at a time. None is used
// before.
const groupSize = 256

// batchLine is a line of a batch's output or error file.
type batchLine struct {
	ID       string `json:"custom_id"`
	Response *struct {
		Status int             `json:"status_code"`
		Body   json.RawMessage `json:"body"`
	} `json:"response"`
	Error *struct {
		Code    json.RawMessage `json:"code"`
		Message json.RawMessage `json:"message"`
	} `json:"error"`
}

// harvest keeps the batch's answers, settles it, and tells those who wait: not
// before, since then the build may end.
func (r *batchRun) harvest(ctx context.Context, batch openai.Batch) error {
	h := &harvest{r: r, batch: batch, at: -1, failed: map[[32]byte]*failure{}, seen: map[[32]byte]bool{}}
	for _, file := range []*string{batch.OutputFileID, batch.ErrorFileID} {
		if file == nil || *file == "" {
			continue
		}
		if err := h.read(ctx, *file); err != nil {
			return err
		}
	}
	if h.strange > 0 && r.b.c.opts.Notify != nil {
		r.b.c.opts.Notify(fmt.Sprintf("%s holds %d lines that answer nothing that was asked", batchName(r.note), h.strange), "They are passed over; requests without an answer are sent again.")
	}
	if h.gone && r.b.c.opts.Notify != nil {
		r.b.c.opts.Notify("results of "+batchName(r.note)+" are not at the endpoint any more", "Requests without an answer are sent again.")
	}
	r.full = refusedForRoom(batch)
	if r.full {
		if err := r.waitForRoom(ctx); err != nil {
			return err
		}
	}
	h.blamed()
	others := h.others()
	tries := h.tries() // which settle forgets
	if err := r.b.book.settle(ctx, r.id, r.note); err != nil {
		return storeFailed(err)
	}
	if r.full && (r.lane == nil || r.lane.enough(r)) {
		return nil
	}
	for _, g := range h.kept {
		if call := r.waits(g.item.key); call != nil {
			call.give(batchResult{answer: &g.answer})
		} else {
			r.b.isAhead(g.item.key)
		}
	}
	for key, f := range h.failed {
		h.give(key, f, tries[key])
	}
	if others != nil {
		for _, key := range r.waiting() {
			if !h.seen[key] { // else it came late, and finds the answer in the store
				h.give(key, others, tries[key])
			}
		}
	}
	return nil
}

// give tells who waits for a call that it has failed.
func (h *harvest) give(key [32]byte, f *failure, tries int) {
	if call := h.r.waits(key); call != nil {
		own := *f // shared
		call.give(batchResult{fail: &own, tries: max(tries, call.tries) + 1, endpoint: h.r.e})
	}
}

// tries is how often each request stood in batches before, where that is not
// known by those who wait.
func (h *harvest) tries() map[[32]byte]int {
	tries := map[[32]byte]int{}
	if h.r.lane != nil {
		return tries
	}
	for at := range h.r.note.Chunks {
		items, _ := h.r.b.book.chunk(h.r.id, at) // those that cannot be read count as the first try
		for _, item := range items {
			if item.head.Tries > 0 {
				tries[item.key] = item.head.Tries
			}
		}
	}
	return tries
}

// read reads one of the batch's files.
func (h *harvest) read(ctx context.Context, file string) error {
	if err := checkID("file", file); err != nil {
		h.strange++
		return nil
	}
	for try := 0; ; try++ {
		strange := 0
		err := h.r.patiently(ctx, func() (f *failure, err error) {
			strange = 0
			f, err = h.r.api.content(ctx, file, func(body io.Reader) (err error) {
				strange, err = h.lines(body)
				return err
			})
			if f != nil && f.err.Code == CodeNotFound { // endpoints keep results for a time
				h.gone = true
				return nil, nil
			}
			return f, err
		})
		if h.err == nil {
			h.keep()
		}
		if h.err != nil {
			return h.err
		}
		if err != nil {
			return err
		}
		// A file that holds less than the batch is said to may have been cut off.
		short := !h.gone && h.batch.OutputFileID != nil && file == *h.batch.OutputFileID && h.answered < h.batch.RequestCounts.Completed
		if !short || try == 1 {
			h.strange += strange
			return nil
		}
	}
}

// lines reads the lines of a file, and counts those that make no sense.
func (h *harvest) lines(body io.Reader) (strange int, err error) {
	in := bufio.NewReaderSize(body, 64<<10)
	for {
		line, err := readLine(in, maxReply)
		if len(line) > 0 && !h.take(line) {
			strange++
		}
		switch {
		case h.err != nil:
			return strange, h.err
		case errors.Is(err, io.EOF):
			return strange, nil
		case errors.Is(err, errTooLarge):
			strange++
		case err != nil:
			return strange, err
		}
	}
}

// readLine reads a line without its end. Of one that is too long it gives
// nothing, and errTooLarge.
func readLine(in *bufio.Reader, most int) (line []byte, err error) {
	for {
		piece, err := in.ReadSlice('\n')
		if len(line)+len(piece) <= most {
			line = append(line, piece...)
		} else if !errors.Is(err, bufio.ErrBufferFull) {
			if err == nil {
				err = errTooLarge
			}
			return nil, err
		} else {
			most, line = -1, nil // to its end
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		for len(line) > 0 && (line[len(line)-1] == '\n' || line[len(line)-1] == '\r') {
			line = line[:len(line)-1]
		}
		return line, err
	}
}

// take reads a result; false if it is none of this batch's.
func (h *harvest) take(line []byte) bool {
	var l batchLine
	if json.Unmarshal(line, &l) != nil {
		return false
	}
	key, ok := parseBatchID(l.ID)
	if !ok {
		return false
	}
	if h.seen[key] {
		return true // told twice, which changes nothing
	}
	item, ok := h.item(key)
	if !ok {
		return false
	}
	answer, f := h.r.result(&l, &item)
	if f != nil && f.err.Code == codeCancelled {
		return true // as if the line were not there
	}
	h.seen[key] = true
	if f != nil {
		h.failed[key] = f
		return true
	}
	h.answered++
	h.group = append(h.group, gathered{item, answer})
	if len(h.group) >= groupSize {
		h.keep()
	}
	return true
}

// result makes an answer of a line, or says what is wrong.
func (r *batchRun) result(l *batchLine, item *batchItem) (Answer, *failure) {
	if l.Response == nil || l.Response.Status == 0 {
		if l.Error == nil {
			return Answer{}, r.e.noReply("the line holds no response", nil)
		}
		return Answer{}, r.lineError(words(l.Error.Code), words(l.Error.Message))
	}
	x := &exchange{status: l.Response.Status, reply: l.Response.Body}
	var err error
	if x.status < 300 {
		var a Answer
		if a, err = r.e.read(x.reply, wireModel(wireOf(item.body)), item.body); err == nil {
			r.e.redact.answer(&a)
			return a, nil
		}
	}
	f := r.e.failed(x, err, wireOf(item.body))
	if f.hearsay != "" {
		f.alone()
	}
	return Answer{}, f
}

// item finds a request of the batch: with who waits for it, or where it is
// kept.
func (h *harvest) item(key [32]byte) (batchItem, bool) {
	if call := h.r.peek(key); call != nil {
		return call.item(), true
	}
	at, ok := h.r.where[key]
	if !ok {
		return batchItem{}, false
	}
	if at != h.at {
		chunk, err := h.r.b.book.chunk(h.r.id, at)
		if err != nil {
			return batchItem{}, false
		}
		h.chunk, h.at = chunk, at
	}
	for _, item := range h.chunk {
		if item.key == key {
			return item, true
		}
	}
	return batchItem{}, false
}

// keep makes the answers at hand durable.
func (h *harvest) keep() {
	group := h.group
	h.group = nil
	for i := range group {
		if h.r.peek(group[i].item.key) != nil {
			h.kept = append(h.kept, &group[i])
		} else {
			h.r.b.isAhead(group[i].item.key) // who looks finds it from now on
		}
	}
	for i, g := range group {
		durable := i == len(group)-1 // and with it all before it
		if h.err = h.r.b.c.keep(g.item.key, durable, h.r.record(&g)); h.err != nil {
			return
		}
	}
}

// record is an answer as it is stored.
func (r *batchRun) record(g *gathered) Record {
	head := &g.item.head
	rec := Record{
		Format: recordFormat, Key: hex.EncodeToString(g.item.key[:]), Endpoint: r.e.name, Identity: recordedIdentity(r.e.provider), Purpose: head.Purpose,
		Sample: head.Sample, Generation: head.Generation, Request: g.item.body, Answer: g.answer, Refresh: head.Refresh, Batch: r.note.BatchID,
	}
	if head.Keyed != nil {
		rec.Request = head.Keyed
	}
	return rec
}

// blamed notes the requests that a batch was not taken for. Where there are
// any, the others may go into the next one.
func (h *harvest) blamed() {
	wrong := map[int]string{}
	last := 0
	for _, p := range problemsOf(h.batch) {
		if p.line > 0 {
			wrong[p.line] = p.code + " " + p.text
			last = max(last, p.line)
		}
	}
	line := 0
	for at := 0; at < h.r.note.Chunks && line < last; at++ {
		items, err := h.r.b.book.chunk(h.r.id, at)
		if err != nil {
			return
		}
		for _, item := range items {
			line++
			if text, ok := wrong[line]; ok {
				h.failed[item.key] = &failure{err: Error{Code: CodeRejected, Detail: h.r.e.redact.text(strings.TrimSpace(text)),
					Summary: fmt.Sprintf("%s rejects the request (line %d of a batch)", h.r.e.name, line)}}
			}
		}
	}
}

// waitForRoom lets time pass before more is sent than the endpoint had room
// for.
func (r *batchRun) waitForRoom(ctx context.Context) error {
	if r.b.c.opts.Notify != nil {
		r.b.room.Do(func() {
			r.b.c.opts.Notify(r.e.name+" has no room for a further batch now; waiting for it, with smaller ones", "How much may wait there at a time is limited.")
		})
	}
	n := 0
	if r.lane != nil {
		n = r.lane.refusal()
	}
	if err := r.b.c.clock.sleep(ctx, pollPause(n)); err != nil {
		return interrupted(err)
	}
	return nil
}

// wireOf gives of a body what failures are classed by.
func wireOf(body []byte) wire {
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(body, &fields) // we made it
	var w wire
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		w = append(w, field{name, fields[name]})
	}
	return w
}
