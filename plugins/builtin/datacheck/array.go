package datacheck

import (
	"errors"
	"io"
)

// array reads the elements of a JSON list one by one, without the line breaks
// between their parts.
func (r *lineReader) array(b *batches) error {
	if _, err := r.in.ReadByte(); err != nil { // the bracket
		return r.broken(err)
	}
	for first := true; ; first = false {
		c, err := r.skipSpace()
		if err != nil {
			return r.arrayEnd(err)
		}
		switch {
		case c == ']':
			return r.after()
		case c == ',' && !first:
			_, _ = r.in.ReadByte()
			if _, err := r.skipSpace(); err != nil {
				return r.arrayEnd(err)
			}
		case !first:
			return &fileError{line: r.line, text: "a comma is missing between two rows of the list"}
		}
		line := r.line
		text, err := r.element()
		if errors.Is(err, errTooLong) {
			return &fileError{line: line, text: "a row is " + err.Error()}
		}
		if err != nil {
			return r.arrayEnd(err)
		}
		if len(text) == 0 {
			return &fileError{line: line, text: "a row of the list is missing"}
		}
		if err := b.add(line, text, nil); err != nil {
			return err
		}
	}
}

func (r *lineReader) arrayEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return &fileError{line: r.line, text: "the list of rows is not closed"}
	}
	return r.broken(err)
}

// after looks for what stands behind the list.
func (r *lineReader) after() error {
	_, _ = r.in.ReadByte()
	switch _, err := r.skipSpace(); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return r.broken(err)
	}
	return &fileError{line: r.line, text: "there is something after the list of rows"}
}

// element is the text up to the comma or bracket that ends an element, which
// is left to be read.
func (r *lineReader) element() ([]byte, error) {
	var text []byte
	depth, quoted, escaped := 0, false, false
	for {
		c, err := r.in.ReadByte()
		if err != nil {
			return nil, err
		}
		if c == '\n' {
			r.line++
		}
		switch {
		case escaped:
			escaped = false
		case quoted:
			escaped, quoted = c == '\\', c != '"'
		case c == '\n' || c == '\r':
			continue
		case depth == 0 && (c == ',' || c == ']'):
			return text, r.in.UnreadByte()
		case c == '"':
			quoted = true
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
		if text = append(text, c); len(text) > r.most {
			return nil, errTooLong
		}
	}
}
