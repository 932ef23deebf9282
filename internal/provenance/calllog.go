package provenance

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/llm"
	"github.com/autosafe/autosafe/spec"
)

// CallLog is the log of the calls that a cache holds. It goes through records
// one by one and keeps none of them.
type CallLog struct {
	store   *cache.Store
	builds  []Build // newest first
	prices  prices
	misfits llm.Misfits
}

// NewCallLog opens the log of a cache.
func NewCallLog(store *cache.Store) (*CallLog, error) {
	builds, err := List(store)
	if err != nil {
		return nil, err
	}
	newest := make([]*Build, len(builds))
	for i := range builds {
		newest[i] = &builds[i]
	}
	slices.SortStableFunc(newest, func(a, b *Build) int { return b.Time.Compare(a.Time) })
	l := &CallLog{store: store, prices: pricesOf(newest...)}
	for _, b := range newest {
		l.builds = append(l.builds, *b)
	}
	return l, nil
}

// CallFilter says which calls are wanted. The zero value is all of them.
type CallFilter struct {
	Model   string // the endpoint's name for it; * in it is any text
	Purpose string
	Since   time.Time
	Unfit   bool   // only answers that were of no use
	Match   string // text in the prompt or the reply, in small letters or capitals
	Prefix  string // of the key, in hex
	Of      *CallSet
}

// CallRef is a stored call.
type CallRef struct {
	Key cache.Digest
	Put time.Time // when it was answered
}

// StoredCall is a call with what the log knows of it.
type StoredCall struct {
	Call
	Time              time.Time `json:"time"`
	CachedInputTokens int       `json:"cached_input_tokens,omitempty"`
	ReasoningTokens   int       `json:"reasoning_tokens,omitempty"`
	// Unfit says why the answer was of no use, where it was.
	Unfit string `json:"unfit,omitempty"`
}

// Find looks for calls: the newest first, at most so many; 0 is all. It also
// tells how many there are. It keeps 56 bytes of each call that it gives.
func (l *CallLog) Find(ctx context.Context, f CallFilter, most int) (refs []CallRef, found int, err error) {
	take := func(k cache.Digest, put time.Time) {
		found++
		refs = append(refs, CallRef{k, put})
		if most > 0 && len(refs) >= 2*most+1024 {
			refs = newestOf(refs, most)
		}
	}
	want := func(k cache.Digest, put time.Time) bool {
		ok := !put.Before(f.Since) && (f.Of == nil || f.Of.keys.has(k)) && (f.Prefix == "" || strings.HasPrefix(k.String(), f.Prefix))
		if ok && !f.reads() {
			take(k, put)
			return false // the value itself is of no matter
		}
		return ok
	}
	read := 0
	err = l.store.EachPut(cache.Calls, want, func(k cache.Digest, put time.Time, value []byte) error {
		if l.fits(f, k, value) {
			take(k, put)
		}
		if read++; read%256 == 0 {
			return ctx.Err()
		}
		return nil
	})
	return newestOf(refs, most), found, err
}

// reads says whether the filter must know what is in a call.
func (f *CallFilter) reads() bool {
	return f.Model != "" || f.Purpose != "" || f.Unfit || f.Match != ""
}

func newestOf(refs []CallRef, most int) []CallRef {
	slices.SortFunc(refs, func(a, b CallRef) int {
		return cmp.Or(b.Put.Compare(a.Put), bytes.Compare(a.Key[:], b.Key[:]))
	})
	if most > 0 && len(refs) > most {
		return refs[:most]
	}
	return refs
}

// fits says whether a record is one that the filter wants.
func (l *CallLog) fits(f CallFilter, k cache.Digest, value []byte) bool {
	text := strings.ToLower(f.Match)
	if unescaped(text) && !bytes.Contains(bytes.ToLower(value), []byte(text)) {
		return false // it stands nowhere, so it need not be read
	}
	rec, err := llm.DecodeRecord(value)
	if err != nil || rec.Key != k.String() {
		return false
	}
	return (f.Model == "" || likeText(f.Model, rec.Model())) &&
		(f.Purpose == "" || rec.Purpose == f.Purpose) &&
		(f.Match == "" || mentions(rec, text)) &&
		(!f.Unfit || l.misfits.Why(rec) != "")
}

// unescaped says whether a text stands in JSON as it is.
func unescaped(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' || strings.ContainsRune(`"\<>&`, r) })
}

// likeText compares with a pattern in which * is any text.
func likeText(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}
	rest, ok := strings.CutPrefix(s, parts[0])
	if !ok {
		return false
	}
	for _, part := range parts[1 : len(parts)-1] {
		_, after, ok := strings.Cut(rest, part)
		if !ok {
			return false
		}
		rest = after
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}

// mentions says whether a text in small letters stands in what was said.
func mentions(rec llm.Record, text string) bool {
	var c Call
	c.readRequest(rec.Request)
	reply := replyOf(rec.Answer)
	said := []string{reply.Content, reply.Refusal, reply.Reasoning}
	for _, t := range reply.ToolCalls {
		said = append(said, t.Name+" "+t.Arguments)
	}
	for _, m := range c.Messages {
		said = append(said, m.String())
	}
	return slices.ContainsFunc(said, func(s string) bool { return strings.Contains(strings.ToLower(s), text) })
}

// Record reads a call as it is stored. It is not ok if the call is gone.
func (l *CallLog) Record(ref CallRef) (rec llm.Record, ok bool, err error) {
	value, err := l.store.Get(cache.Calls, ref.Key)
	if errors.Is(err, cache.ErrNotFound) {
		return rec, false, nil
	}
	if err != nil {
		return rec, false, err
	}
	rec, err = llm.DecodeRecord(value)
	return rec, err == nil && rec.Key == ref.Key.String(), nil // what is no record is as good as gone
}

// Call reads a call.
func (l *CallLog) Call(ref CallRef) (*StoredCall, error) {
	rec, ok, err := l.Record(ref)
	if err != nil || !ok {
		return nil, err
	}
	c := &StoredCall{
		Call: callOf(rec, l.prices), Time: ref.Put.UTC().Truncate(time.Millisecond), Unfit: l.misfits.Why(rec),
		CachedInputTokens: rec.Answer.Usage.CachedInputTokens, ReasoningTokens: rec.Answer.Usage.ReasoningTokens,
	}
	return c, nil
}

// CallSet is a set of calls.
type CallSet struct{ keys digests }

// CallsOf are the calls that a step of a build rests on, of a dataset those of its
// outputs, of an evaluation those of its agents and judges; without an address, those of all its steps.
func CallsOf(ctx context.Context, store *cache.Store, b *Build, address string) (*CallSet, error) {
	set, s := &CallSet{}, stateOf(ctx, store, b)
	for i := range b.Steps {
		step := &b.Steps[i]
		if address != "" && step.Address != address && engine.EvaluationOf(step.Address) != address || step.Kind != string(spec.RoleStep) {
			continue
		}
		err := s.tasks(step.Address, func(t taskSpot) bool {
			task, ok, err := engine.LoadTask(store, t.Key)
			for i := 0; ok && err == nil && i < len(task.Calls); i++ {
				if d, err := cache.ParseDigest(task.Calls[i]); err == nil {
					set.keys.add(d)
				}
			}
			return true
		})
		if why, told := unreadable(err); told && address != "" {
			return nil, errors.New(why)
		} else if err != nil && !told {
			return nil, err
		}
	}
	for i := range b.Outputs {
		o := &b.Outputs[i]
		if address != "" && o.Address != address || o.Key == (cache.Digest{}) {
			continue
		}
		rec, ok, err := engine.LoadOutput(store, o.Key)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		for k, err := range rec.AllCalls(store) {
			if err != nil && address != "" {
				return nil, errors.New("the calls of the output in " + o.Path + " cannot be read: " + err.Error())
			}
			if err == nil {
				set.keys.add(k)
			}
		}
	}
	set.keys.settle()
	return set, nil
}

// CallUse is a row for which a call was used.
type CallUse struct {
	Build   string `json:"build"`
	Address string `json:"address"`
	Row     string `json:"row,omitempty"` // id of the step's input row; empty where that is gone
	Sample  int    `json:"sample,omitempty"`
	Task    string `json:"task"` // key
}

// Uses tells which rows of the recorded builds rest on a call: of equal steps
// those of the newest build, and at most so many rows.
func (l *CallLog) Uses(ctx context.Context, k cache.Digest, most int) (uses []CallUse, more int, err error) {
	seen := map[cache.Digest]bool{}
	for i := range l.builds {
		b := &l.builds[i]
		s := stateOf(ctx, l.store, b)
		for j := range b.Steps {
			step := &b.Steps[j]
			if step.Key == (cache.Digest{}) || seen[step.Key] || step.Kind != string(spec.RoleStep) {
				continue
			}
			seen[step.Key] = true
			err := s.tasks(step.Address, func(t taskSpot) bool {
				task, ok, err := engine.LoadTask(l.store, t.Key)
				if err != nil || !ok || !slices.Contains(task.Calls, k.String()) {
					return true
				}
				if len(uses) == most {
					more++
					return true
				}
				uses = append(uses, CallUse{b.ID, step.Address, s.inputID(step.Address, t.input), t.sample, t.Key.String()})
				return true
			})
			if _, told := unreadable(err); err != nil && !told {
				return nil, 0, err
			}
		}
	}
	return uses, more, nil
}

// inputID is the id of the row at a position of a step's input; "" where that
// cannot be read.
func (s *state) inputID(address string, pos int64) string {
	at, err := s.inputSpot(address, pos)
	if err != nil {
		return ""
	}
	r, err := s.rowAt(at)
	if err != nil {
		return ""
	}
	return r.String("id")
}

// Resolve finds the one call whose key begins so.
func (l *CallLog) Resolve(ctx context.Context, prefix string) (CallRef, error) {
	prefix = strings.ToLower(prefix)
	if strings.Trim(prefix, "0123456789abcdef") != "" || len(prefix) > 2*len(cache.Digest{}) {
		return CallRef{}, fmt.Errorf("%q is no key of a call, which has 64 hex digits; autosafe calls lists them", prefix)
	}
	if len(prefix) < minPrefix {
		return CallRef{}, fmt.Errorf("the beginning of a key takes %d digits or more", minPrefix)
	}
	if k, err := cache.ParseDigest(prefix); err == nil {
		if at, ok := l.store.PutAt(cache.Calls, k); ok {
			return CallRef{k, at}, nil
		}
	}
	refs, found, err := l.Find(ctx, CallFilter{Prefix: prefix}, 2)
	switch {
	case err != nil:
		return CallRef{}, err
	case found == 0:
		return CallRef{}, fmt.Errorf("no call in this cache has a key that begins with %s; autosafe calls lists them", prefix)
	case found > 1:
		return CallRef{}, fmt.Errorf("%d calls have a key that begins with %s, such as %s and %s: give more of it", found, prefix, refs[0].Key, refs[1].Key)
	}
	return refs[0], nil
}
