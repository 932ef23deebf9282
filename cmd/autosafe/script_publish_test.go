package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/autosafe/autosafe/internal/push/hubtest"
)

// keypair NAME writes NAME.pem and NAME.pub, a new Ed25519 key.
func cmdKeypair(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: keypair NAME")
	}
	public, private, err := ed25519.GenerateKey(nil)
	ts.Check(err)
	for ending, make := range map[string]func() (string, []byte, error){
		".pem": func() (string, []byte, error) {
			b, err := x509.MarshalPKCS8PrivateKey(private)
			return "PRIVATE KEY", b, err
		},
		".pub": func() (string, []byte, error) {
			b, err := x509.MarshalPKIXPublicKey(public)
			return "PUBLIC KEY", b, err
		},
	} {
		what, der, err := make()
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(args[0]+ending), pem.EncodeToMemory(&pem.Block{Type: what, Bytes: der}), 0o600))
	}
}

// flips DIR COMMAND [ARGUMENT ...] turns over a bit in
// the middle of every file below DIR, one after the other, and asserts that the
// command then ends with 1 and names the file.
func cmdFlips(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: flips DIR COMMAND [ARGUMENT ...]")
	}
	dir, args := ts.MkAbs(args[0]), args[1:]
	files := 0
	ts.Check(filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		files++
		before, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		at, after := len(before)/2, slices.Clone(before)
		after[at] ^= 1
		if err := os.WriteFile(path, after, 0o666); err != nil {
			return err
		}
		err = ts.Exec(args[0], args[1:]...)
		said := ts.ReadFile("stdout") + ts.ReadFile("stderr")
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(said, filepath.ToSlash(rel)) {
			ts.Fatalf("a bit at %d of %s was changed: %v, and it says:\n%s", at, rel, err, said)
		}
		return os.WriteFile(path, before, 0o666)
	}))
	if files == 0 {
		ts.Fatalf("there are no files in %s", dir)
	}
	ts.Check(ts.Exec(args[0], args[1:]...)) // all is as it was
}

const hubToken = "hf_token-of-the-scripts"

// hub starts a server that speaks the Hub's protocol.
func cmdHub(ts *testscript.TestScript, neg bool, args []string) {
	s := hubtest.Start(hubtest.Options{Token: hubToken, Chunk: 2000})
	ts.Defer(s.Close)
	of(ts).hub = s
	ts.Setenv("HF_ENDPOINT", s.URL())
	ts.Setenv("HF_TOKEN", hubToken)
}

// hubholds REPOSITORY BRANCH FILE ... asserts which files the branch has, but
// for the Hub's own.
func cmdHubHolds(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || of(ts).hub == nil {
		ts.Fatalf("usage: hubholds REPOSITORY BRANCH FILE ..., after hub")
	}
	files := of(ts).hub.Files(args[0], args[1])
	delete(files, ".gitattributes")
	got, want := slices.Sorted(maps.Keys(files)), slices.Sorted(slices.Values(args[2:]))
	if !slices.Equal(got, want) {
		ts.Fatalf("it has %q, want %q", got, want)
	}
}
