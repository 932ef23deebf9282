package sdktest

import (
	"io"
	"os"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/conformance"
)

// Case is a component at work, for Conformance: a configuration that is
// right, rows to work on, and models where it calls any.
type Case = conformance.Case

// Conformance holds a plugin to what hosts rely on, with the checks of
// autosafe plugins test. Every component's description and its refusal of bad
// configurations are checked; those with a Case are also run in several ways,
// and cancelled at work. Components that no Case names are reported, so that a
// plugin's own test can insist on all of them.
//
// It takes over standard output while it runs, so that other tests must not
// run beside it.
func Conformance(t *testing.T, p sdk.Plugin, cases ...Case) (untried []string) {
	t.Helper()
	if _, err := sdk.Describe(p); err != nil {
		t.Fatalf("the plugin cannot be described: %v", err)
	}
	log := &testLog{t: t}
	defer log.end()
	h, err := newHarness(p, log)
	if err != nil {
		t.Fatal(err)
	}
	defer h.close()
	var report conformance.Report
	printed := captureStdout(t, func() {
		report = conformance.Check(t.Context(), h, conformance.Options{Busy: h.busy}, cases...)
	})
	if len(printed) > 0 {
		t.Errorf("it writes to standard output: %.200q", printed)
	}
	for _, f := range report.Findings {
		t.Run(f.Name(), func(t *testing.T) {
			for _, problem := range f.Problems {
				t.Error(problem)
			}
		})
	}
	return report.Untried
}

// captureStdout gives what fn writes to standard output.
func captureStdout(t *testing.T, fn func()) []byte {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan []byte, 1)
	go func() {
		b, _ := io.ReadAll(r) // what was read until then will do
		read <- b
	}()
	stdout := os.Stdout
	os.Stdout = w
	func() {
		defer func() { os.Stdout = stdout }()
		fn()
	}()
	_ = w.Close()
	defer func() { _ = r.Close() }()
	return <-read
}
