// Package key makes cache keys that can be read again: a key is the SHA-256
// of an ordered list of named parts, and the list itself is stored, so that
// the difference of two keys can be shown part by part.
//
// It frames and hashes; what belongs into a key is decided by its callers
// (internal/llm for calls, internal/engine for rows and steps).
package key

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
)

// format is the first line of every encoded list. It changes only if the
// framing changes, and then every key does.
const format = "autosafe.parts/1\n"

// tagName is the name of the first part of a list made by New.
const tagName = "tag"

// Part is one named value of a key.
type Part struct {
	Name  string
	Value []byte
}

// List is the parts of a key in order. Order counts, names may repeat.
type List []Part

// New starts a list with its tag, such as "autosafe.call/1". The tag keeps
// the kinds of key apart; a change of meaning of any part raises its number.
func New(tag string) List { return List{{tagName, []byte(tag)}} }

// Add appends a part. The value is not copied.
func (l *List) Add(name string, value []byte) { *l = append(*l, Part{name, value}) }

// AddString appends a part.
func (l *List) AddString(name, value string) { l.Add(name, []byte(value)) }

// AddInt appends a part in decimal.
func (l *List) AddInt(name string, value int64) {
	l.Add(name, strconv.AppendInt(nil, value, 10))
}

// Encode writes the list: a format line, then for each part the length of
// its name, the name, the length of its value and the value, lengths as
// unsigned varints. Two lists encode alike only if they are equal.
func (l List) Encode() []byte {
	size := len(format)
	for _, p := range l {
		size += 2*binary.MaxVarintLen64 + len(p.Name) + len(p.Value)
	}
	return l.AppendParts(append(make([]byte, 0, size), format...))
}

// AppendParts appends the parts as Encode writes them. So a list of which only
// the end differs from others need not be encoded as a whole each time.
func (l List) AppendParts(b []byte) []byte {
	for _, p := range l {
		b = binary.AppendUvarint(b, uint64(len(p.Name)))
		b = append(b, p.Name...)
		b = binary.AppendUvarint(b, uint64(len(p.Value)))
		b = append(b, p.Value...)
	}
	return b
}

// Digest is the SHA-256 of the encoded list: the key. It encodes one part at a
// time, as values may be large.
func (l List) Digest() (sum [sha256.Size]byte) {
	h := sha256.New()
	b := append(make([]byte, 0, 256), format...)
	for _, p := range l {
		b = binary.AppendUvarint(b, uint64(len(p.Name)))
		b = append(b, p.Name...)
		b = binary.AppendUvarint(b, uint64(len(p.Value)))
		if len(p.Value) > cap(b)-len(b) {
			h.Write(b)
			h.Write(p.Value)
			b = b[:0]
			continue
		}
		b = append(b, p.Value...)
	}
	h.Write(b)
	h.Sum(sum[:0])
	return sum
}

// Decode reads what Encode wrote and nothing else. The values do not share
// memory with b.
func Decode(b []byte) (List, error) {
	rest, ok := bytes.CutPrefix(b, []byte(format))
	if !ok {
		return nil, errors.New("not a list of key parts")
	}
	list := List{}
	for len(rest) > 0 {
		var name, value []byte
		var err error
		if name, rest, err = frame(rest); err != nil {
			return nil, fmt.Errorf("name of part %d: %w", len(list), err)
		}
		if value, rest, err = frame(rest); err != nil {
			return nil, fmt.Errorf("value of part %d: %w", len(list), err)
		}
		list.Add(string(name), bytes.Clone(value))
	}
	return list, nil
}

// frame cuts one length and as many bytes off b.
func frame(b []byte) (data, rest []byte, err error) {
	n, size := binary.Uvarint(b)
	// A varint can be written longer than it needs; only the shortest form
	// is ours, so that one list has one encoding.
	if size <= 0 || size != uvarintLen(n) {
		return nil, nil, errors.New("bad length")
	}
	b = b[size:]
	if n > uint64(len(b)) {
		return nil, nil, errors.New("shorter than its length says")
	}
	return b[:n:n], b[n:], nil
}

func uvarintLen(n uint64) int {
	size := 1
	for n >= 0x80 {
		n >>= 7
		size++
	}
	return size
}

// Equal says whether two lists have the same parts in the same order.
func (l List) Equal(m List) bool {
	if len(l) != len(m) {
		return false
	}
	for i, p := range l {
		if p.Name != m[i].Name || !bytes.Equal(p.Value, m[i].Value) {
			return false
		}
	}
	return true
}
