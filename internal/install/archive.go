package install

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"

	"github.com/autosafe/autosafe/spec/lockfile"
)

// maxEntries bounds an archive's entries: a plugin's has a handful.
const maxEntries = 1000

func sha256Of(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func sumOf(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// fetch puts a file of the release into a temporary file in a folder, and holds
// it to the list of sums. The caller removes the file.
func (r *release) fetch(ctx context.Context, dir, file string) (path string, err error) {
	f, err := os.CreateTemp(dir, tempPrefix)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	err = again(ctx, r.limits, func() error {
		h.Reset()
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		if err := f.Truncate(0); err != nil {
			return err
		}
		return copyFile(ctx, r.limits, r.limits.File, r.limits.Package, io.MultiWriter(f, h), func(ctx context.Context) (io.ReadCloser, error) {
			return r.origin.open(ctx, r.source, r.offer, file)
		})
	})
	if err != nil {
		err = fmt.Errorf("%s from %s: %w", file, r.place, err)
	} else {
		err = r.checkSum(file, sumOf(h))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

// binary puts the binary for a platform into a temporary file in a folder, and
// says what its digest is. The caller removes the file.
func (r *release) binary(ctx context.Context, dir, platform string) (path, digest string, err error) {
	p, ok := r.packageFor(platform)
	if !ok {
		return "", "", r.noPackage(platform)
	}
	packed, err := r.fetch(ctx, dir, p.file)
	if err != nil {
		return "", "", err
	}
	if p.form == "" {
		return packed, p.binary, nil
	}
	defer os.Remove(packed)
	f, err := os.CreateTemp(dir, tempPrefix)
	if err != nil {
		return "", "", err
	}
	h := sha256.New()
	name := lockfile.BinaryName(r.source, platform)
	if err = unpack(packed, p.form, name, &bounded{io.MultiWriter(f, h), r.limits.Binary}); err != nil {
		err = fmt.Errorf("%s of %s %s: %w", p.file, r.source, r.version, err)
	}
	digest = sumOf(h)
	if err == nil && p.binary != "" && p.binary != digest {
		err = fmt.Errorf("%s of %s %s holds a binary with the SHA-256 %s, and %s says %s; do not use it", p.file, r.source, r.version, digest, sumsFile, p.binary)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(f.Name())
		return "", "", err
	}
	return f.Name(), digest, nil
}

// bounded writes so much and no more: what is packed may be far larger than its
// package.
type bounded struct {
	w    io.Writer
	left int64
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, errTooLarge
	}
	return b.w.Write(p)
}

// unpack writes the binary in an archive to w. It is a regular file at the top;
// all else in the archive is left there, so that it does not matter what its
// names and links lead to.
func unpack(file, form, name string, w *bounded) error {
	if form == ".zip" {
		return unzip(file, name, w)
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	packed, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("it is not a .tar.gz archive: %w", err)
	}
	// Headers count too: an archive may consist of nothing else.
	entries := tar.NewReader(&limited{packed, w.left + maxOther})
	for n := 0; n < maxEntries; n++ {
		e, err := entries.Next()
		switch {
		case errors.Is(err, io.EOF):
			return fmt.Errorf("it holds no %s", name)
		case err != nil:
			return err
		case path.Clean(e.Name) != name:
			continue
		case e.Typeflag != tar.TypeReg:
			return fmt.Errorf("%s in it is not a regular file", name)
		}
		_, err = io.Copy(w, entries)
		return err
	}
	return fmt.Errorf("it has more than %d entries", maxEntries)
}

// maxOther is how much else than the binary an archive may unpack to, on the
// way to it.
const maxOther = 64 << 20

// limited reads so much and no more.
type limited struct {
	r    io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errTooLarge
	}
	n, err := l.r.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	return n, err
}

func unzip(file, name string, w io.Writer) error {
	z, err := zip.OpenReader(file)
	if err != nil {
		return fmt.Errorf("it is not a .zip archive: %w", err)
	}
	defer func() { _ = z.Close() }()
	if len(z.File) > maxEntries {
		return fmt.Errorf("it has more than %d entries", maxEntries)
	}
	for _, e := range z.File {
		if path.Clean(e.Name) != name {
			continue
		}
		if !e.Mode().IsRegular() {
			return fmt.Errorf("%s in it is not a regular file", name)
		}
		body, err := e.Open()
		if err != nil {
			return err
		}
		_, err = io.Copy(w, body)
		return errors.Join(err, body.Close())
	}
	return fmt.Errorf("it holds no %s", name)
}

// sumReader is the SHA-256 of what a reader gives.
func sumReader(r io.Reader) (string, error) {
	h := sha256.New()
	_, err := io.Copy(h, r)
	return sumOf(h), err
}
