package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/autosafe/autosafe/internal/publish"
	"github.com/autosafe/autosafe/internal/signing"
	"github.com/autosafe/autosafe/internal/verify"
)

func signCommand() command {
	return command{
		name: "sign", args: "[PATH]", maxArgs: 1,
		short: "sign a published dataset",
		long: `Signs what a dataset in PATH (the current folder by default) says that it was
made of: writes provenance.intoto.json.dsse, a DSSE envelope over the bytes of
provenance.intoto.json. PATH is the folder that a card block names; all files in
it must be as its SHA256SUMS says. Signatures of other keys stay.

The key is an Ed25519 or ECDSA key in a PEM file, or one of minisign, such as
signs an author's plugins. The password of a minisign key is taken from the
environment variable AUTOSAFE_KEY_PASSWORD. These make keys:

  openssl genpkey -algorithm ed25519 -out key.pem && openssl pkey -in key.pem -pubout -out pub.pem
  minisign -G -W -s minisign.key -p minisign.pub

autosafe verify -key checks the signature. Exit codes: 0 done; 1 error.`,
		setup: func(flags *flag.FlagSet) func(*invocation) int {
			key := flags.String("key", "", "sign with the private key in `FILE`")
			return func(inv *invocation) int { return inv.sign(*key) }
		},
	}
}

func (inv *invocation) sign(keyFile string) int {
	if keyFile == "" {
		return inv.usageError("it takes a private key: -key FILE")
	}
	dir := inv.dir()
	key, err := signing.ReadPrivateKey(keyFile, inv.getenv("AUTOSAFE_KEY_PASSWORD"))
	if err != nil {
		return inv.fail("Unusable key", err)
	}
	folder, err := verify.Open(dir)
	if err != nil {
		return inv.fail("No dataset", unopenable(dir, err))
	}
	defer folder.Close()
	// A statement that does not fit its files is not worth a signature.
	report, err := verify.Run(context.Background(), folder, nil)
	if err != nil {
		return inv.fail("Unreadable dataset", err)
	}
	var problems []verify.Problem
	for _, p := range report.Problems {
		if p.Subject != publish.EnvelopeName { // which is about to be replaced
			problems = append(problems, p)
		}
	}
	if len(problems) > 0 {
		inv.view.DatasetProblems("Not signed", problems)
		return exitError
	}
	statement, err := folder.Statement()
	if err != nil {
		return inv.fail("No statement", err)
	}
	old, err := folder.Envelope()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return inv.fail("Not signed", fmt.Errorf("%s: %w", publish.EnvelopeName, err))
	}
	envelope, err := signing.Sign(statement, old, key)
	if err != nil {
		return inv.fail("Not signed", err)
	}
	path := filepath.Join(dir, publish.EnvelopeName)
	if err := writeWhole(path, envelope, 0o644); err != nil {
		return inv.fail("Not signed", err)
	}
	inv.view.Signed(path, key.ID())
	return exitDone
}

// unopenable says why a folder cannot be looked at.
func unopenable(dir string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no folder %s; give the one that a card block names", dir)
	case !isDir(dir):
		return fmt.Errorf("%s is no folder; give the one that a card block names", dir)
	}
	return pathCause(err)
}
