package files

import (
	"encoding/binary"
	"errors"
)

// thriftVisit is told of what a structure in Thrift's compact protocol holds:
// whole numbers, truth as 1 and 0, and how many elements a list has. path are the numbers of the
// fields from the outside to it; lists add nothing to it.
type thriftVisit func(path []int, value int64, list bool) error

// thriftReader goes over a structure without keeping any of it. Parquet's
// footer and page headers are such; the library believes what they say of
// their own size, and would take that much memory.
type thriftReader struct {
	b     []byte
	i     int
	path  []int
	visit thriftVisit
}

var errThrift = errors.New("malformed metadata")

// thriftDepth is how deep a structure may be: Parquet's are no deeper than 8.
const thriftDepth = 16

// Kinds of values.
const (
	thriftTrue, thriftFalse, thriftByte = 1, 2, 3
	thriftI16, thriftI32, thriftI64     = 4, 5, 6
	thriftDouble, thriftBinary          = 7, 8
	thriftList, thriftSet               = 9, 10
	thriftStruct                        = 12
)

// readThrift goes over the structure that b begins with and says how long it
// is.
func readThrift(b []byte, visit thriftVisit) (int, error) {
	r := &thriftReader{b: b, visit: visit}
	err := r.object(0)
	return r.i, err
}

func (r *thriftReader) byte() (byte, error) {
	if r.i >= len(r.b) {
		return 0, errThrift
	}
	r.i++
	return r.b[r.i-1], nil
}

func (r *thriftReader) uvarint() (uint64, error) {
	v, n := binary.Uvarint(r.b[r.i:])
	if n <= 0 {
		return 0, errThrift
	}
	r.i += n
	return v, nil
}

func (r *thriftReader) varint() (int64, error) {
	u, err := r.uvarint()
	return int64(u>>1) ^ -int64(u&1), err
}

func (r *thriftReader) object(depth int) error {
	if depth > thriftDepth {
		return errThrift
	}
	for id := 0; ; {
		head, err := r.byte()
		if err != nil || head == 0 {
			return err
		}
		if delta := int(head >> 4); delta > 0 {
			id += delta
		} else {
			v, err := r.varint()
			if err != nil {
				return err
			}
			id = int(int16(v))
		}
		r.path = append(r.path, id)
		if err := r.value(head&15, depth, false); err != nil {
			return err
		}
		r.path = r.path[:len(r.path)-1]
	}
}

// value goes over a value of a kind. Truth is in the kind itself, but where it
// is an element.
func (r *thriftReader) value(kind byte, depth int, element bool) error {
	switch kind {
	case thriftTrue, thriftFalse:
		if element {
			_, err := r.byte()
			return err
		}
		return r.visit(r.path, int64(thriftFalse-kind), false)
	case thriftByte:
		_, err := r.byte()
		return err
	case thriftI16, thriftI32, thriftI64:
		v, err := r.varint()
		if err != nil {
			return err
		}
		return r.visit(r.path, v, false)
	case thriftDouble:
		return r.skip(8)
	case thriftBinary:
		n, err := r.uvarint()
		if err != nil {
			return err
		}
		return r.skip(n)
	case thriftList, thriftSet:
		return r.list(depth)
	case thriftStruct:
		return r.object(depth + 1)
	}
	return errThrift
}

func (r *thriftReader) skip(n uint64) error {
	if n > uint64(len(r.b)-r.i) {
		return errThrift
	}
	r.i += int(n)
	return nil
}

func (r *thriftReader) list(depth int) error {
	head, err := r.byte()
	if err != nil || depth > thriftDepth {
		return errThrift
	}
	n := uint64(head >> 4)
	if n == 15 {
		if n, err = r.uvarint(); err != nil {
			return err
		}
	}
	if n > uint64(len(r.b)-r.i) { // an element has a byte at least
		return errThrift
	}
	if err := r.visit(r.path, int64(n), true); err != nil {
		return err
	}
	for range n {
		if err := r.value(head&15, depth+1, true); err != nil {
			return err
		}
	}
	return nil
}
