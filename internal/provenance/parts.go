package provenance

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/key"
)

// Names of parts that the engine gives (package engine, keys.go).
const (
	inputPart = "input"
	readsPart = "reads"
	codePart  = "code"
	opPrefix  = "op."
)

// trialsPrefix begins the names of the parts that say what came of trying an agent:
// they follow the input, which is made of them.
const trialsPrefix = "trials."

// What changed of a thing.
const (
	changeAdded   = "added"
	changeGone    = "gone"
	changeChanged = "changed"
	changeSame    = "same"
)

// loadParts reads the parts of a key. The list is a blob whose digest is the
// key, so that it can be read where the record is gone.
func loadParts(store *cache.Store, k cache.Digest) (key.List, bool) {
	if k == (cache.Digest{}) {
		return nil, false
	}
	b, err := store.Blob(k)
	if err != nil {
		return nil, false
	}
	list, err := key.Decode(b)
	return list, err == nil
}

// baseOf is the part of a key's list that says nothing of the input. What
// follows the input in a step's list does not count for its rows.
func baseOf(parts key.List) key.List {
	for i, p := range parts {
		if p.Name == inputPart {
			return parts[:i:i]
		}
	}
	return parts
}

// part finds a part by its name.
func part(list key.List, name string) (string, bool) {
	for _, p := range list {
		if p.Name == name {
			return string(p.Value), true
		}
	}
	return "", false
}

// readsOf are the columns that a component reads; all says that it reads all.
func readsOf(parts key.List) (names []string, all bool) {
	text, ok := part(parts, readsPart)
	if !ok || text == "*" {
		return nil, true
	}
	if text == "" {
		return []string{}, false
	}
	return strings.Split(text, ","), false
}

// samplesOf is how many tasks a step makes of a row.
func samplesOf(parts key.List) int {
	text, _ := part(parts, "samples")
	n, err := strconv.Atoi(text)
	if err != nil {
		return 1
	}
	return bounded(n)
}

// bounded keeps a number of samples within what a recipe may say.
func bounded(samples int) int { return min(max(1, samples), 1_000_000) }

// diffParts compares two lists of parts: by name, and the operations of a
// distill step as a sequence, since one more moves the numbers of those behind.
func diffParts(before, after key.List) (diffs []PartDiff, same int) {
	opsA, restA := splitOps(before)
	opsB, restB := splitOps(after)
	diffs, same = diffOps(opsA, opsB)
	old := map[string][]byte{}
	for _, p := range restA {
		old[p.Name] = p.Value
	}
	for _, p := range restB {
		was, ok := old[p.Name]
		delete(old, p.Name)
		switch {
		case !ok:
			diffs = append(diffs, diffPart(p.Name, nil, notNil(p.Value)))
		case !bytes.Equal(was, p.Value):
			diffs = append(diffs, diffPart(p.Name, notNil(was), notNil(p.Value)))
		default:
			same++
		}
	}
	for _, p := range restA {
		if was, ok := old[p.Name]; ok {
			delete(old, p.Name)
			diffs = append(diffs, diffPart(p.Name, notNil(was), nil))
		}
	}
	return diffs, same
}

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func splitOps(list key.List) (ops, rest key.List) {
	for _, p := range list {
		if strings.HasPrefix(p.Name, opPrefix) {
			ops = append(ops, p)
		} else {
			rest = append(rest, p)
		}
	}
	return ops, rest
}

// diffOps compares the operations of two distill steps.
func diffOps(a, b key.List) (diffs []PartDiff, same int) {
	same = len(a)
	for _, x := range compare(opTexts(a), opTexts(b)) {
		same -= x.a1 - x.a0
		left := slices.Clone(a[x.a0:x.a1])
		for _, p := range b[x.b0:x.b1] {
			i := slices.IndexFunc(left, func(q key.Part) bool { return opKind(q.Name) == opKind(p.Name) })
			if i < 0 {
				diffs = append(diffs, diffPart(p.Name, nil, notNil(p.Value)))
				continue
			}
			diffs = append(diffs, diffPart(p.Name, notNil(left[i].Value), notNil(p.Value)))
			left = slices.Delete(left, i, i+1)
		}
		for _, p := range left {
			diffs = append(diffs, diffPart(p.Name, notNil(p.Value), nil))
		}
	}
	return diffs, same
}

func opTexts(ops key.List) []string {
	texts := make([]string, len(ops))
	for i, p := range ops {
		texts[i] = opKind(p.Name) + " " + string(p.Value)
	}
	return texts
}

// opKind is the last word of op.0.filter.
func opKind(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// diffPart tells how a part differs; nil is a part that is not there.
func diffPart(name string, before, after []byte) PartDiff {
	d := PartDiff{Name: name, Change: changeChanged, Kind: partKind(name, before, after)}
	switch {
	case before == nil:
		d.Change = changeAdded
	case after == nil:
		d.Change = changeGone
	}
	switch d.Kind {
	case PartText:
		d.Text = diffText(string(before), string(after))
	case PartFiles:
		d.Files = diffFiles(filesOf(before), filesOf(after))
	case PartJSON:
		d.Values = diffJSON(before, after)
	default:
		d.Before, d.After = clip(string(before)), clip(string(after))
	}
	return d
}

func partKind(name string, before, after []byte) PartKind {
	role, _, _ := strings.Cut(name, ".")
	switch {
	case name == inputPart || strings.HasPrefix(name, trialsPrefix):
		return PartInput
	case name == codePart:
		return PartCode
	case role == "files" || role == "human":
		return PartFiles
	case role == "map" || role == "group" || name == "split.by":
		return PartText
	case role == "model" || role == "op" || role == "metric" || role == "judge" || name == "agents":
		return PartJSON
	case role != "config":
		return PartPlain
	case valueJSON(before) && valueJSON(after):
		return PartJSON
	}
	return PartText
}

// valueJSON says whether a setting is JSON: a template stands in keys as its
// text.
func valueJSON(value []byte) bool { return value == nil || json.Valid(value) }

// filesOf reads the part that lists files: a quoted name and a digest a line.
func filesOf(value []byte) map[string]string {
	files := map[string]string{}
	for line := range strings.Lines(string(value)) {
		quoted, err := strconv.QuotedPrefix(line)
		if err != nil {
			continue
		}
		name, _ := strconv.Unquote(quoted)
		files[name] = strings.TrimSpace(line[len(quoted):])
	}
	return files
}

// maxFiles bounds the files that are named of each kind of change.
const maxFiles = 20

// diffFiles compares files by name and digest.
func diffFiles(before, after map[string]string) *FilesDiff {
	d := &FilesDiff{}
	note := func(list *[]FileChange, n *int, c FileChange) {
		if *n++; len(*list) < maxFiles {
			*list = append(*list, c)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		was, ok := before[name]
		switch {
		case !ok:
			note(&d.Added, &d.AddedCount, FileChange{Name: name, After: after[name]})
		case was != after[name]:
			note(&d.Changed, &d.ChangedCount, FileChange{name, was, after[name]})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, ok := after[name]; !ok {
			note(&d.Gone, &d.GoneCount, FileChange{Name: name, Before: before[name]})
		}
	}
	return d
}
