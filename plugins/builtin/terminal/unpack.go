package terminal

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"io"
	"regexp"
	"strings"
	"sync"
)

// What is packed or encoded is not gone and not hidden: a secret that leaves in a
// compressed archive has left. So checks for words look at what is inside, too.

const (
	maxUnpacked = 4 << 20 // bytes that are unpacked of one text
	maxNested   = 4       // archives within archives
	minPacked   = 16      // what is shorter is nothing packed
)

// unpacker finds what is inside texts.
type unpacker struct {
	encoded func() *regexp.Regexp
}

func newUnpacker() unpacker {
	return unpacker{sync.OnceValue(func() *regexp.Regexp {
		// Lines of base64 or hexadecimal digits, as base64 and xxd write them.
		return regexp.MustCompile(`(?:[A-Za-z0-9+/]{16,}={0,2}\n?)+`)
	})}
}

// inside is everything that a text is once it is unpacked, "" where there is
// nothing to unpack.
func (u unpacker) inside(text string) string {
	var b strings.Builder
	u.unpack(&b, text, 0)
	return b.String()
}

func (u unpacker) unpack(into *strings.Builder, text string, depth int) {
	if len(text) < minPacked || strings.HasPrefix(text, "\x7fELF") || depth > maxNested || into.Len() > maxUnpacked {
		return
	}
	found := func(data []byte) {
		if len(data) > 0 {
			into.Write(data)
			into.WriteByte('\n')
			u.unpack(into, string(data), depth+1)
		}
	}
	switch {
	case strings.HasPrefix(text, "\x1f\x8b"):
		if r, err := gzip.NewReader(strings.NewReader(text)); err == nil {
			found(some(r))
		}
	case strings.HasPrefix(text, "PK\x03\x04"):
		r, err := zip.NewReader(strings.NewReader(text), int64(len(text)))
		if err != nil {
			return
		}
		for _, f := range r.File {
			if into.Len() > maxUnpacked {
				return
			}
			if file, err := f.Open(); err == nil {
				found(some(file))
				_ = file.Close()
			}
		}
	default:
		// An archive may have other files before it, and a form other fields.
		if i := strings.Index(text, "\x1f\x8b\x08"); i > 0 {
			u.unpack(into, text[i:], depth+1)
		}
		for _, run := range u.encoded().FindAllString(text[:min(len(text), maxUnpacked)], 100) {
			run = strings.ReplaceAll(run, "\n", "")
			if data, err := hex.DecodeString(run); err == nil {
				found(data)
			}
			if data, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(run, "=")); err == nil {
				found(data)
			}
		}
	}
}

// some reads what can be read, within bounds.
func some(r io.Reader) []byte {
	var b bytes.Buffer
	_, err := io.Copy(&b, io.LimitReader(r, maxUnpacked))
	_ = err // what came before an error counts
	return b.Bytes()
}
