package view

import (
	"fmt"
	"strings"
	"time"
)

// Batch is a batch of calls at an endpoint.
type Batch struct {
	Name     string    `json:"name"`         // ours
	ID       string    `json:"id,omitempty"` // the endpoint's; empty: it was not sent
	Model    string    `json:"model"`
	Provider string    `json:"provider"`
	Endpoint string    `json:"endpoint"`
	Requests int       `json:"requests"`
	Done     int       `json:"done"`
	Failed   int       `json:"failed"`
	Status   string    `json:"status"`
	Created  time.Time `json:"created"`
	Seen     time.Time `json:"seen,omitzero"` // when the endpoint last told
}

// title is what a batch is called.
func (b *Batch) title() string {
	if b.ID != "" {
		return Clean(b.ID)
	}
	return Clean(b.Name[:min(len(b.Name), 12)])
}

// done says how far a batch is.
func (b *Batch) done() string {
	text := count(int64(b.Done)) + " of " + count(int64(b.Requests)) + " done"
	if b.Failed > 0 {
		text += ", " + count(int64(b.Failed)) + " failed"
	}
	return text
}

type batchLine struct {
	Type string `json:"type"`
	*Batch
}

// Waiting shows the batches that a build waits for, each time that there is
// something new.
func (v *View) Waiting(list []Batch) {
	v.mu.Lock()
	defer v.mu.Unlock()
	known := map[string]Batch{}
	for _, b := range v.batches {
		known[b.Name] = b
	}
	v.batches = list
	if l, ok := v.progress.(*live); ok {
		l.batches = list
		l.draw("")
		return
	}
	for i := range list {
		b, was := &list[i], known[list[i].Name]
		switch {
		case b.ID == "" || was.ID == b.ID && was.Status == b.Status && was.Done == b.Done && was.Failed == b.Failed:
		case v.opts.JSON:
			v.write(batchLine{"batch", b})
		case was.ID == "":
			if p, ok := v.progress.(plain); ok {
				p.message(fmt.Sprintf("%s: waiting for %s of model %s\n", b.title(), plural(int64(b.Requests), "request"), Clean(b.Model)))
			}
		}
	}
}

// waiting is the line of a batch that is waited for.
func (l *live) waiting(b *Batch) string {
	since := duration(float64(int(max(0, l.now().Sub(b.Created).Seconds()))))
	return fmt.Sprintf("  batch %s: %s, %s, for %s (model %s)", b.title(), Clean(strings.ReplaceAll(b.Status, "_", " ")), b.done(), since, Clean(b.Model))
}

// Batches lists batches that are under way.
func (v *View) Batches(list []Batch) {
	if v.opts.JSON {
		for i := range list {
			v.line(batchLine{"batch", &list[i]})
		}
		v.lastLine(struct {
			Type   string `json:"type"`
			Listed int    `json:"listed"`
		}{"batches", len(list)})
		return
	}
	if len(list) == 0 {
		v.result("No batch is under way.\n")
		return
	}
	t := table{heads: []string{"Batch", "Since", "Requests", "Done", "Failed", "Status", "Model"}, spare: []string{"Failed", "Since"}}
	for i := range list {
		b := &list[i]
		about := Clean(b.Model) + " at " + strings.TrimPrefix(Clean(b.Endpoint), "the endpoint ")
		t.add(b.title(), when(b.Created), number(int64(b.Requests)), number(int64(b.Done)), number(int64(b.Failed)), Clean(b.Status), about)
	}
	var text strings.Builder
	t.render(&text, v.outWidth())
	v.result(text.String())
}
