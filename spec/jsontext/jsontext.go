// Package jsontext reads the text of JSON strings and of numbers, fast: most of
// a row is text, and every reader of rows goes over it.
//
// It is no JSON parser. It is for those that are.
package jsontext

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Plain is the number of bytes at the start of b that stand for themselves in
// a JSON string; ascii says that they are all ASCII. It looks at eight bytes
// at a time, since most of a row is text.
func Plain(b []byte) (n int, ascii bool) {
	const (
		ones  = 0x0101010101010101
		highs = 0x80 * ones
	)
	var seen uint64
	for n+8 <= len(b) {
		x := binary.LittleEndian.Uint64(b[n:])
		quote, slash := x^'"'*ones, x^'\\'*ones
		// The lowest high bit that is set belongs to the first byte that is
		// below 0x20, a quote or a backslash.
		odd := ((x - 0x20*ones) | (quote - ones) | (slash - ones)) & ^x & highs
		if odd != 0 {
			k := bits.TrailingZeros64(odd) / 8
			seen |= x & (1<<(8*k) - 1)
			return n + k, seen&highs == 0
		}
		seen |= x
		n += 8
	}
	for ; n < len(b) && b[n] >= 0x20 && b[n] != '"' && b[n] != '\\'; n++ {
		seen |= uint64(b[n])
	}
	return n, seen&highs == 0
}

// AppendUTF8 appends text, with U+FFFD in the place of every byte that is not
// UTF-8. With ascii nothing is looked at.
func AppendUTF8(b, text []byte, ascii bool) []byte {
	if ascii || utf8.Valid(text) {
		return append(b, text...)
	}
	return append(b, string([]rune(string(text)))...)
}

// AppendChar appends an ASCII character as it stands in a JSON string, escaped
// if it must be, and then in the shortest form.
func AppendChar(b []byte, ch byte) []byte {
	const digits = "0123456789abcdef"
	switch ch {
	case '"', '\\':
		return append(b, '\\', ch)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	case '\b':
		return append(b, '\\', 'b')
	case '\f':
		return append(b, '\\', 'f')
	}
	if ch < 0x20 {
		return append(b, '\\', 'u', '0', '0', digits[ch>>4], digits[ch&15])
	}
	return append(b, ch)
}

// Unquote is what a valid JSON string, with its quotes, stands for: a part of b
// where nothing is escaped.
func Unquote(b []byte) []byte {
	if len(b) < 2 {
		return nil
	}
	b = b[1 : len(b)-1]
	i := bytes.IndexByte(b, '\\')
	if i < 0 {
		return b
	}
	out := append(make([]byte, 0, len(b)), b[:i]...)
	for i < len(b) {
		if b[i] != '\\' {
			n, _ := Plain(b[i:])
			n = max(n, 1)
			out = append(out, b[i:i+n]...)
			i += n
			continue
		}
		r, n := Escape(b[i:])
		if n == 0 {
			return nil
		}
		out = utf8.AppendRune(out, r)
		i += n
	}
	return out
}

// Escape decodes one escape sequence and says how long it is; 0 if it is none.
func Escape(b []byte) (rune, int) {
	if len(b) < 2 {
		return 0, 0
	}
	switch b[1] {
	case '"', '\\', '/':
		return rune(b[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		r, ok := hex4(b[2:])
		if !ok {
			return 0, 0
		}
		if !utf16.IsSurrogate(r) {
			return r, 6
		}
		if len(b) >= 12 && b[6] == '\\' && b[7] == 'u' {
			if r2, ok := hex4(b[8:]); ok {
				if full := utf16.DecodeRune(r, r2); full != utf8.RuneError {
					return full, 12
				}
			}
		}
		return utf8.RuneError, 6
	}
	return 0, 0
}

// Number is how many bytes at the start of b are a number, and whether it is
// written as an integer; 0 if there is none, or one that breaks off.
func Number(b []byte) (n int, integer bool) {
	if len(b) > 0 && b[0] == '-' {
		n++
	}
	whole := digits(b[n:])
	if whole == 0 {
		return 0, false
	}
	if b[n] == '0' { // what follows it is no longer the number
		whole = 1
	}
	n, integer = n+whole, true
	if n < len(b) && b[n] == '.' {
		fraction := digits(b[n+1:])
		if fraction == 0 {
			return 0, false
		}
		n, integer = n+1+fraction, false
	}
	if n < len(b) && (b[n] == 'e' || b[n] == 'E') {
		if n++; n < len(b) && (b[n] == '+' || b[n] == '-') {
			n++
		}
		exponent := digits(b[n:])
		if exponent == 0 {
			return 0, false
		}
		n, integer = n+exponent, false
	}
	return n, integer
}

// digits is how many there are at the start of b.
func digits(b []byte) int {
	for i, c := range b {
		if c < '0' || c > '9' {
			return i
		}
	}
	return len(b)
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b[:4]), 16, 16)
	return rune(n), err == nil
}
