package install

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"aead.dev/minisign"
	"github.com/hashicorp/go-version"

	"github.com/autosafe/autosafe/spec/lockfile"
)

// The files of a release beside its packages.
const (
	sumsFile      = "SHA256SUMS"
	signatureFile = "SHA256SUMS.minisig" // over sumsFile
	keyFile       = "minisign.pub"       // the publisher's, for trust on first use
	manifestFile  = "autosafe-plugin.json"
)

const (
	maxSums      = 1 << 20
	maxSignature = 16 << 10
	maxManifest  = 64 << 10
)

// release is one version of a plugin, of which the list of sums is verified.
type release struct {
	source    string
	version   string
	origin    origin
	offer     offer
	place     string // for messages
	limits    Limits
	sums      map[string]string // by file
	key       string            // the key that it is signed by; "" if by none that is known
	firstUse  bool              // the key came with the release
	protocols []int
	notes     []string
}

// small fetches a file that is kept in memory, trying more than once.
func small(ctx context.Context, limits Limits, limit int64, open func(context.Context) (io.ReadCloser, error)) ([]byte, error) {
	var b bytes.Buffer
	err := again(ctx, limits, func() error {
		b.Reset()
		return copyFile(ctx, limits, limits.Small, limit, &b, open)
	})
	return b.Bytes(), err
}

func (r *release) small(ctx context.Context, file string, limit int64) ([]byte, error) {
	src, err := small(ctx, r.limits, limit, func(ctx context.Context) (io.ReadCloser, error) {
		return r.origin.open(ctx, r.source, r.offer, file)
	})
	if err != nil {
		return nil, fmt.Errorf("%s of %s %s: %w", file, r.source, r.version, err)
	}
	return src, nil
}

// verify fetches the list of sums and holds it to a key: the one that is
// wanted, or else the one that comes with the release.
func (r *release) verify(ctx context.Context, want string) error {
	sums, err := r.small(ctx, sumsFile, maxSums)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s %s in %s has no %s, so that it cannot be verified. Its publisher must add one", r.source, r.version, r.place, sumsFile)
	}
	if err != nil {
		return err
	}
	if err := r.checkSignature(ctx, sums, want); err != nil {
		return err
	}
	if r.sums, err = readSums(sums); err != nil {
		return fmt.Errorf("%s of %s %s in %s: %w", sumsFile, r.source, r.version, r.place, err)
	}
	return r.readManifest(ctx)
}

func (r *release) checkSignature(ctx context.Context, sums []byte, want string) error {
	signature, err := r.small(ctx, signatureFile, maxSignature)
	unsigned := errors.Is(err, fs.ErrNotExist)
	if err != nil && !unsigned {
		return err
	}
	if want == "" && !unsigned {
		key, err := r.small(ctx, keyFile, maxSignature)
		if errors.Is(err, fs.ErrNotExist) {
			r.notes = append(r.notes, "it is signed, but nothing says by which key: set signing_key to the publisher's key to have that checked")
			return nil
		}
		if err != nil {
			return err
		}
		want, r.firstUse = strings.TrimSpace(lastLine(string(key))), true
	}
	if want == "" {
		return nil
	}
	var key minisign.PublicKey
	if err := key.UnmarshalText([]byte(want)); err != nil {
		return fmt.Errorf("the signing key %q of %s is not a minisign public key", want, r.source)
	}
	id := fmt.Sprintf("%016X", key.ID())
	if unsigned {
		return fmt.Errorf("%s %s in %s is not signed, and it must be signed by the key %s (%s). Do not use it, unless its publisher says that this is as it should be",
			r.source, r.version, r.place, id, want)
	}
	if !minisign.Verify(key, sums, signature) {
		return r.badSignature(signature, key.ID(), id)
	}
	r.key = want
	return nil
}

// badSignature says in which way a signature is bad.
func (r *release) badSignature(signature []byte, want uint64, id string) error {
	var s minisign.Signature
	switch err := s.UnmarshalText(signature); {
	case err != nil:
		return fmt.Errorf("%s of %s %s in %s is not a minisign signature. Do not use this release", signatureFile, r.source, r.version, r.place)
	case s.KeyID != want:
		return fmt.Errorf("%s %s in %s is signed by the key %016X, and it must be signed by %s. Do not use it, unless its publisher says that the key has changed; then set signing_key to the new one",
			r.source, r.version, r.place, s.KeyID, id)
	}
	return fmt.Errorf("the signature of %s %s in %s does not fit its %s: the list was changed after it was signed. Do not use this release",
		r.source, r.version, r.place, sumsFile)
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// readSums reads the output of sha256sum.
func readSums(src []byte) (map[string]string, error) {
	sums := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(src))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimRight(lines.Text(), "\r ")
		if line == "" {
			continue
		}
		sum, name, ok := strings.Cut(line, " ")
		name = strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(name, " "), "*"), "./")
		sum = strings.ToLower(sum)
		if !ok || !lockfile.IsHash(sum) || name == "" {
			return nil, fmt.Errorf("line %d is not a SHA-256 and a file name, as sha256sum writes them", n)
		}
		if strings.ContainsAny(name, `/\`) || name == "." || name == ".." {
			continue // of no use: a release has no folders
		}
		if old, ok := sums[name]; ok && old != sum {
			return nil, fmt.Errorf("line %d has another sum for %s than a line before it", n, name)
		}
		sums[name] = sum
	}
	return sums, lines.Err()
}

// readManifest reads what the release says of itself, if it does. Without that
// it is of the first protocol.
func (r *release) readManifest(ctx context.Context) error {
	r.protocols = r.offer.protocols
	if _, ok := r.sums[manifestFile]; ok {
		src, err := r.small(ctx, manifestFile, maxManifest)
		if err != nil {
			return err
		}
		if err := r.checkSum(manifestFile, sha256Of(src)); err != nil {
			return err
		}
		var m struct {
			Protocols []int `json:"protocols"`
		}
		if err := json.Unmarshal(src, &m); err != nil {
			return fmt.Errorf("%s of %s %s: %w", manifestFile, r.source, r.version, err)
		}
		r.protocols = m.Protocols
	}
	if len(r.protocols) == 0 {
		r.protocols = []int{1}
	}
	return nil
}

// checkSum holds a file's digest to the list.
func (r *release) checkSum(file, got string) error {
	if want := r.sums[file]; got != want {
		return fmt.Errorf("%s of %s %s from %s is not what was released: its SHA-256 is %s, and %s says %s. The place was tampered with, or the transfer damaged; do not use it",
			file, r.source, r.version, r.place, got, sumsFile, want)
	}
	return nil
}

// pack is a file of a release that holds the binary for a platform.
type pack struct {
	file   string
	form   string // archive's ending; "" for the binary itself
	binary string // digest of the binary, if the list has it
}

// archives are the forms of packages beside the bare binary, the preferred one
// first.
func archives() []string { return []string{".tar.gz", ".zip"} }

// packageFor finds the package for a platform.
func (r *release) packageFor(platform string) (pack, bool) {
	stem := lockfile.Program(r.source) + "_" + r.version + "_" + platform
	bare := stem + strings.TrimPrefix(lockfile.BinaryName(r.source, platform), lockfile.Program(r.source))
	p := pack{file: bare, binary: r.sums[bare]}
	for _, form := range archives() {
		if _, ok := r.sums[stem+form]; ok {
			p.file, p.form = stem+form, form
			return p, true
		}
	}
	return p, p.binary != ""
}

// platforms lists those for which there are packages, in order.
func (r *release) platforms() []string {
	var list []string
	prefix := lockfile.Program(r.source) + "_" + r.version + "_"
	for file := range r.sums {
		name, ok := strings.CutPrefix(file, prefix)
		for _, form := range append(archives(), ".exe") {
			name = strings.TrimSuffix(name, form)
		}
		if ok && lockfile.CheckPlatform(name) == nil {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// noPackage says that a release has nothing for a platform.
func (r *release) noPackage(platform string) error {
	prefix := lockfile.Program(r.source) + "_" + r.version + "_"
	list := r.platforms()
	if len(list) == 0 {
		return fmt.Errorf("%s of %s %s in %s lists no package of this version; one is named like %s%s.tar.gz",
			sumsFile, r.source, r.version, r.place, prefix, platform)
	}
	return fmt.Errorf("%s %s has no package for %s; it has %s. Require a version that has one, or ask the publisher for it",
		r.source, r.version, platform, strings.Join(list, ", "))
}

// speaks says whether a plugin of these protocols can be used.
func speaks(protocols []int, own int) bool {
	return len(protocols) == 0 || slices.Contains(protocols, own)
}

// constraintsOf reads several constraints as one.
func constraintsOf(texts []string) (version.Constraints, error) {
	var all version.Constraints
	for _, text := range texts {
		c, err := version.NewConstraint(text)
		if err != nil {
			return nil, fmt.Errorf("%q is not a version constraint", text)
		}
		all = append(all, c...)
	}
	return all, nil
}

// permits says whether a version may be taken. A pre-release must be asked for
// by name.
func permits(allowed version.Constraints, v *version.Version) bool {
	if len(allowed) == 0 {
		return v.Prerelease() == ""
	}
	return allowed.Check(v)
}
