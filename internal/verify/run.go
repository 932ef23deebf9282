package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/publish"
	"github.com/autosafe/autosafe/internal/signing"
)

// Check is one of the things that were looked at.
type Check struct {
	Name   string `json:"name"`
	What   string `json:"what"` // of what, and how much
	Result Result `json:"result"`
}

// Result is what came of a check.
type Result string

// The results of checks.
const (
	ResultOK     Result = "ok"
	ResultFailed Result = "failed"
	// ResultOpen says that there was nothing to check, or nothing to check it by.
	ResultOpen Result = "open"
)

// Report is what was found.
type Report struct {
	Checks     []Check             `json:"checks"`
	Problems   []Problem           `json:"problems"`
	Signatures []signing.Signature `json:"signatures"`
	// Statement is what the folder says that it was made of; nil if that cannot
	// be read.
	Statement *publish.Statement `json:"-"`
}

// OK says whether all is as it should be.
func (r *Report) OK() bool { return len(r.Problems) == 0 }

// Add takes in what another check found.
func (r *Report) Add(name, what string, problems []Problem) {
	result := ResultOK
	if len(problems) > 0 {
		result = ResultFailed
	}
	r.Checks = append(r.Checks, Check{name, what, result})
	r.Problems = append(r.Problems, problems...)
}

// leave takes in that nothing can be said of something.
func (r *Report) leave(name, why string) { r.Checks = append(r.Checks, Check{name, why, ResultOpen}) }

// Run holds a folder to its signature, its statement and its checksums. With
// keys one of them must have signed it.
func Run(ctx context.Context, f *Folder, keys []*signing.PublicKey) (*Report, error) {
	r := &Report{Checks: []Check{}, Problems: []Problem{}, Signatures: []signing.Signature{}}
	listed, err := f.Sums(ctx)
	if err != nil {
		return nil, err
	}
	text, err := f.Statement()
	if err != nil {
		r.leave("signature", "not looked at: there is no statement that can be read")
		r.Add("statement", publish.StatementName, []Problem{{publish.StatementName, unreadable(err)}})
	} else {
		r.signature(f, text, keys)
		r.statement(text, listed)
	}
	problems := listed.Problems
	for _, name := range listed.Extra {
		problems = append(problems, Problem{name, "it is in the folder, and " + publish.SumsName + " does not name it: take it away, or find out who put it there"})
	}
	r.Add("files", fmt.Sprintf("%d files against %s", max(0, len(listed.Files)-1), publish.SumsName), problems)
	switch {
	case !f.Has(engine.NoteName):
	case r.OK():
		r.Add("note", engine.NoteName, f.note(listed.Files))
	default: // it would be blamed for what is wrong with them
		r.leave("note", "not looked at: the files that it speaks of are not as they should be")
	}
	return r, nil
}

// signature checks who has signed the statement.
func (r *Report) signature(f *Folder, statement []byte, keys []*signing.PublicKey) {
	envelope, err := f.Envelope()
	switch {
	case errors.Is(err, fs.ErrNotExist) && len(keys) == 0:
		r.leave("signature", "nobody has signed it")
		return
	case errors.Is(err, fs.ErrNotExist):
		err = errors.New("it is missing: nobody has signed this dataset, and a key was given")
	case err == nil:
		r.Signatures, err = signing.Check(envelope, statement, keys)
		if r.Signatures == nil {
			r.Signatures = []signing.Signature{}
		}
	}
	what := publish.EnvelopeName
	for _, s := range r.Signatures {
		if s.Valid {
			what = "by the key " + s.KeyID
		}
	}
	switch {
	case err != nil:
		r.Add("signature", what, []Problem{{publish.EnvelopeName, unreadable(err)}})
	case len(keys) == 0:
		r.leave("signature", "no key was given, so that only its form was looked at")
	default:
		r.Add("signature", what, nil)
	}
}

// statement holds the files to the statement. The checksums and the statement
// itself are the two that it cannot speak of.
func (r *Report) statement(text []byte, listed *Listed) {
	bad := func(format string, args ...any) {
		r.Add("statement", publish.StatementName, []Problem{{publish.StatementName, fmt.Sprintf(format, args...)}})
	}
	s, err := publish.ParseStatement(text)
	if err != nil {
		bad("%v", err)
		return
	}
	if again, err := s.Encode(); err != nil || string(again) != string(text) {
		bad("it is not in the one form that this autosafe writes: it was changed after it was made, or a newer version made it")
		return
	}
	r.Statement = s
	if len(listed.Files) == 0 { // else it would be blamed on every file
		r.leave("statement", "not held to the files: "+publish.SumsName+" cannot be read")
		return
	}
	have := map[string]string{}
	for _, f := range listed.Files {
		have[f.Path] = f.SHA256
	}
	told := map[string]bool{} // by the checksums
	for i, p := range listed.Problems {
		told[p.Subject] = true
		// Where the file and the statement agree, it is the list that was changed.
		if sum := have[p.Subject]; sum != "" && sum == saidOf(s, p.Subject) {
			listed.Problems[i] = Problem{publish.SumsName, fmt.Sprintf("it was changed: it says of %s what neither the file nor the statement says", p.Subject)}
		}
	}
	var problems []Problem
	named := map[string]bool{}
	for _, subject := range s.Subject {
		name, want := subject.Name, subject.SHA256()
		sum, ok := have[name]
		switch {
		case checkName(name) != nil:
			problems = append(problems, Problem{publish.StatementName, checkName(name).Error()})
		case named[name]:
			problems = append(problems, Problem{publish.StatementName, fmt.Sprintf("it names %q twice", name)})
		case told[name]:
		case !ok:
			problems = append(problems, Problem{name, "the statement names it, and " + publish.SumsName + " does not"})
		case sum != want:
			problems = append(problems, Problem{publish.StatementName, fmt.Sprintf("it says that %s has the SHA-256 %.80q, but it has %s, as %s says", name, want, sum, publish.SumsName)})
		}
		named[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if !named[name] && name != publish.SumsName && name != publish.StatementName {
			problems = append(problems, Problem{name, publish.SumsName + " names it, and the statement does not"})
		}
	}
	r.Add("statement", fmt.Sprintf("%d files against %s", len(s.Subject), publish.StatementName), problems)
}

// saidOf is the digest that a statement has of a file; "" if it has none.
func saidOf(s *publish.Statement, name string) string {
	for i := range s.Subject {
		if s.Subject[i].Name == name {
			return s.Subject[i].SHA256()
		}
	}
	return ""
}
