package provenance

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/spec"
)

// recordFormat is the number of the form in which builds are stored. Records
// of another are left alone.
const recordFormat = 1

// A cache holds three kinds of record under cache.Builds: builds under their
// id, heads under a recipe's folder, and tags under their name. A head names
// the newest build of a recipe.

// head is the newest build of a recipe.
type head struct {
	Format int          `json:"format"`
	Head   string       `json:"head"` // the recipe's folder
	Build  string       `json:"build"`
	Like   cache.Digest `json:"like"` // Build.likeness of it
}

// tag is a name that a user gave to a build.
type tag struct {
	Format int    `json:"format"`
	Tag    string `json:"tag"`
	Build  string `json:"build"`
}

func buildKey(id string) cache.Digest { return cache.Sum([]byte("build\x00" + id)) }
func headKey(dir string) cache.Digest { return cache.Sum([]byte("head\x00" + dir)) }
func tagKey(name string) cache.Digest { return cache.Sum([]byte("tag\x00" + name)) }

// get reads a record; false if there is none that can be read.
func get(store *cache.Store, k cache.Digest, to any) (bool, error) {
	b, err := store.Get(cache.Builds, k)
	if errors.Is(err, cache.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return len(b) > 0 && json.Unmarshal(b, to) == nil, nil
}

func put(store *cache.Store, k cache.Digest, record any) error {
	b, err := json.Marshal(record)
	if err != nil {
		return err
	}
	return store.Put(cache.Builds, k, b)
}

// Save records a build and gives its id, which it sets. A build that made no
// call, wrote nothing and came to what the last one of its recipe came to is
// not recorded: it gets the id of that one. The record is durable once the
// store is synced or closed.
func Save(store *cache.Store, b *Build) (id string, err error) {
	if err := store.Refresh(cache.Builds); err != nil {
		return "", err
	}
	like := b.likeness()
	last, err := lastHead(store, b.Recipe.Dir)
	if err != nil {
		return "", err
	}
	if last.Build != "" && b.idle() && like == last.Like && like != (cache.Digest{}) {
		b.ID = last.Build
		return b.ID, nil
	}
	b.Format, b.ID, b.Previous = recordFormat, "", last.Build
	text, err := json.Marshal(b)
	if err != nil {
		return "", err
	}
	digest := cache.Sum(text)
	b.ID = hex.EncodeToString(digest[:6])
	for _, f := range b.Recipe.Files {
		if content, ok := b.contents[f.Digest]; ok {
			if _, err := store.PutBlob(content); err != nil {
				return "", err
			}
		}
	}
	if err := put(store, buildKey(b.ID), b); err != nil {
		return "", err
	}
	b.Fresh = true
	return b.ID, put(store, headKey(b.Recipe.Dir), head{recordFormat, b.Recipe.Dir, b.ID, like})
}

// lastHead is the head of a recipe; an empty one if there is no build. Where a
// collection has taken the head or its build, another one takes its place.
func lastHead(store *cache.Store, dir string) (head, error) {
	var h head
	ok, err := get(store, headKey(dir), &h)
	if err != nil {
		return head{}, err
	}
	if ok && h.Format == recordFormat {
		if _, err := store.Get(cache.Builds, buildKey(h.Build)); err == nil {
			return h, nil
		}
	}
	b, ok, err := Last(store, dir)
	if err != nil || !ok {
		return head{}, err
	}
	return head{recordFormat, dir, b.ID, b.likeness()}, nil
}

// load reads the record of a build.
func load(store *cache.Store, id string) (*Build, bool, error) {
	b, err := store.Get(cache.Builds, buildKey(id))
	if errors.Is(err, cache.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	build, ok := decodeBuild(b)
	return build, ok && build.ID == id, nil
}

// decodeBuild reads what is a build in the form of this version.
func decodeBuild(text []byte) (*Build, bool) {
	var b Build
	if json.Unmarshal(text, &b) != nil || b.Format != recordFormat || !isID(b.ID) {
		return nil, false
	}
	for i := range b.Steps { // these are in no JSON of theirs
		b.Steps[i].StepSummary.Key = b.Steps[i].Key
	}
	for i := range b.Outputs {
		b.Outputs[i].OutputSummary.Key = b.Outputs[i].Key
	}
	return &b, true
}

const (
	idDigits  = 12
	minPrefix = 4 // of the beginning of an id that stands for it
)

func isID(s string) bool { return len(s) == idDigits && isHex(s) }

func isHex(s string) bool {
	return s != "" && strings.Trim(s, "0123456789abcdef") == ""
}

// Last is the newest build of the recipe in a folder. If there is none, it is
// the newest that has the steps given, and no others: a recipe may have moved.
func Last(store *cache.Store, dir string, addresses ...string) (*Build, bool, error) {
	dir = absolute(dir)
	var h head
	known, err := get(store, headKey(dir), &h)
	if err != nil {
		return nil, false, err
	}
	if known && h.Format == recordFormat {
		if b, ok, err := load(store, h.Build); err != nil || ok {
			return b, ok, err
		}
	}
	builds, err := List(store)
	if err != nil {
		return nil, false, err
	}
	wanted := slices.Sorted(slices.Values(addresses))
	for i := range builds {
		if builds[i].Recipe.Dir == dir {
			return &builds[i], true, nil
		}
	}
	for i := range builds {
		if len(wanted) > 0 && slices.Equal(wanted, builds[i].addresses()) {
			return &builds[i], true, nil
		}
	}
	return nil, false, nil
}

// addresses are those of the steps, sorted.
func (b *Build) addresses() []string {
	list := make([]string, len(b.Steps))
	for i, s := range b.Steps {
		list[i] = s.Address
	}
	slices.Sort(list)
	return list
}

// maxBack bounds how many builds are looked through for one that finished a
// step.
const maxBack = 100

// history is a build and those of its recipe before it, read as they are
// needed.
type history struct {
	store  *cache.Store
	builds []*Build // newest first
	ended  bool     // there are none before
	err    error
}

func newHistory(store *cache.Store, last *Build) *history {
	h := &history{store: store}
	if last != nil {
		h.builds = []*Build{last}
	}
	return h
}

// at is the build so many before the last; nil if there is none.
func (h *history) at(n int) *Build {
	for len(h.builds) <= n && len(h.builds) > 0 && len(h.builds) < maxBack && !h.ended {
		b, err := h.before(h.builds[len(h.builds)-1])
		if err != nil || b == nil { // asked for once: it may take reading all builds
			h.ended, h.err = true, err
			return nil
		}
		h.builds = append(h.builds, b)
	}
	if n < len(h.builds) {
		return h.builds[n]
	}
	return nil
}

// before is the build before another: the one that its record names, or, if
// that was collected, the newest that is left.
func (h *history) before(b *Build) (*Build, error) {
	if b.Previous == "" {
		return nil, nil
	}
	if prev, ok, err := load(h.store, b.Previous); err != nil || ok {
		return prev, err
	}
	builds, err := List(h.store)
	if err != nil {
		return nil, err
	}
	for i := range builds {
		if builds[i].Recipe.Dir == b.Recipe.Dir && builds[i].Time.Before(b.Time) {
			return &builds[i], nil
		}
	}
	return nil, nil
}

// finished finds the newest build, from the n-th on, that finished a step.
func (h *history) finished(address string, n int) (*Build, *Step, int) {
	for ; ; n++ {
		b := h.at(n)
		if b == nil {
			return nil, nil, n
		}
		if s, ok := b.Step(address); ok && s.Key != (cache.Digest{}) {
			return b, s, n
		}
	}
}

// Finished is the newest build that came to a step's end: the last one, or one
// before it of the same recipe. Of a dataset the end is what it was made of.
func Finished(store *cache.Store, last *Build, address string) (*Build, bool, error) {
	h := newHistory(store, last)
	for n := 0; ; n++ {
		b := h.at(n)
		if b == nil {
			return nil, false, h.err
		}
		if b.finished(address) {
			return b, true, nil
		}
	}
}

func (b *Build) finished(address string) bool {
	s, ok := b.Step(address)
	switch {
	case !ok:
		return false
	case s.Kind == string(spec.DatasetStep):
		return len(s.Inputs) > 0 && !slices.ContainsFunc(s.Inputs, func(in string) bool {
			above, ok := b.Step(in)
			return !ok || above.Key == (cache.Digest{})
		})
	}
	return s.Key != (cache.Digest{})
}

// LastSteps tells what the last build, or the newest before it that finished
// a step, had under the step's address: Options.Last of the engine. Outputs
// are asked for by theirs.
func LastSteps(store *cache.Store, last *Build) func(address string) (engine.LastStep, bool) {
	h := newHistory(store, last)
	return func(address string) (engine.LastStep, bool) {
		dataset, _, isOutput := strings.Cut(address, outputSep)
		if whole := engine.EvaluationOf(address); whole != "" && address == whole+"."+spec.ReportFormat {
			dataset, isOutput = whole, true
		}
		for n := 0; isOutput; n++ {
			b := h.at(n)
			if last, ok := lastOutput(b, dataset, address); ok || b == nil {
				return last, ok
			}
		}
		_, s, _ := h.finished(address, 0)
		if s == nil {
			return engine.LastStep{}, false
		}
		return engine.LastStep{Key: s.Key}, true
	}
}

// outputSep stands in the address of an output between its dataset and its
// format.
const outputSep = ".output."

// lastOutput finds an output of a build. A format that repeats has a number.
func lastOutput(b *Build, dataset, address string) (engine.LastStep, bool) {
	if b == nil {
		return engine.LastStep{}, false
	}
	met := map[string]int{}
	for _, o := range b.Outputs {
		if o.Address != dataset {
			continue
		}
		name := dataset + outputSep + o.Format
		if o.Format == spec.ReportFormat {
			name = dataset + "." + o.Format
		}
		if met[o.Format]++; met[o.Format] > 1 {
			name += "." + strconv.Itoa(met[o.Format])
		}
		if name == address && o.Key != (cache.Digest{}) {
			return engine.LastStep{Key: o.Key}, true
		}
	}
	return engine.LastStep{}, false
}

// List gives all builds, newest first. Records that cannot be read are left
// out.
func List(store *cache.Store) ([]Build, error) {
	builds := []Build{}
	err := store.Each(cache.Builds, func(k cache.Digest, value []byte) error {
		if b, ok := decodeBuild(value); ok && buildKey(b.ID) == k {
			builds = append(builds, *b)
		}
		return nil
	})
	slices.SortFunc(builds, func(a, b Build) int {
		if c := b.Time.Compare(a.Time); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return builds, err
}

// Find finds a build by its id or the unique beginning of one (four digits or
// more), by a tag, or as "last" and "last~N", the N-th before it: of the
// recipe in dir, or of all where dir is empty.
func Find(store *cache.Store, dir, name string) (*Build, error) {
	if b, ok, err := load(store, name); err != nil || ok {
		return b, err
	}
	if back, ok := lastName(name); ok {
		return findLast(store, dir, name, back)
	}
	var t tag
	if ok, err := get(store, tagKey(name), &t); err != nil {
		return nil, err
	} else if ok && t.Format == recordFormat && t.Tag == name {
		b, ok, err := load(store, t.Build)
		if err == nil && !ok {
			err = fmt.Errorf("the build %s, which %q names, is no longer in the cache", t.Build, name)
		}
		return b, err
	}
	if len(name) < minPrefix || !isHex(name) {
		return nil, &NotFoundError{name}
	}
	builds, err := List(store)
	if err != nil {
		return nil, err
	}
	var found []Build
	for _, b := range builds {
		if strings.HasPrefix(b.ID, name) {
			found = append(found, b)
		}
	}
	switch len(found) {
	case 0:
		return nil, &NotFoundError{name}
	case 1:
		return &found[0], nil
	}
	e := &AmbiguousError{Name: name}
	for _, b := range found {
		e.IDs = append(e.IDs, b.ID)
	}
	return nil, e
}

// lastName reads "last" and "last~N".
func lastName(name string) (back int, ok bool) {
	rest, ok := strings.CutPrefix(name, "last")
	if !ok || rest == "" {
		return 0, ok
	}
	digits, ok := strings.CutPrefix(rest, "~")
	n, err := strconv.ParseUint(digits, 10, 31)
	return int(n), ok && err == nil
}

func findLast(store *cache.Store, dir, name string, back int) (*Build, error) {
	builds, err := List(store)
	if err != nil {
		return nil, err
	}
	if dir != "" {
		dir = absolute(dir)
		builds = slices.DeleteFunc(builds, func(b Build) bool { return b.Recipe.Dir != dir })
	}
	if back >= len(builds) {
		return nil, &NotFoundError{name}
	}
	return &builds[back], nil
}

var tagName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/+-]{0,99}$`) })

// SetTag gives a build a name, which it may have had for another before.
func SetTag(store *cache.Store, name, id string) error {
	_, isLast := lastName(name)
	switch {
	case !tagName().MatchString(name):
		return fmt.Errorf("%q is no name for a build: take letters, digits and . _ / + -, with a letter or a digit first", name)
	case isLast || isID(name):
		return fmt.Errorf("%q is no name for a build: it means a build already", name)
	case len(name) >= minPrefix && isHex(name):
		return fmt.Errorf("%q is no name for a build: it reads like the beginning of an id; add a letter from g to z, or a sign", name)
	}
	if _, ok, err := load(store, id); err != nil {
		return err
	} else if !ok {
		return &NotFoundError{id}
	}
	return put(store, tagKey(name), tag{recordFormat, name, id})
}

// RemoveTag takes a name away. The build stays.
func RemoveTag(store *cache.Store, name string) error {
	var t tag
	ok, err := get(store, tagKey(name), &t)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("there is no tag %q", name)
	}
	return store.Put(cache.Builds, tagKey(name), nil)
}

// Tags gives the tags and the ids of their builds.
func Tags(store *cache.Store) (map[string]string, error) {
	tags := map[string]string{}
	err := store.Each(cache.Builds, func(k cache.Digest, value []byte) error {
		var t tag
		if json.Unmarshal(value, &t) == nil && t.Format == recordFormat && t.Tag != "" && tagKey(t.Tag) == k {
			tags[t.Tag] = t.Build
		}
		return nil
	})
	return tags, err
}
