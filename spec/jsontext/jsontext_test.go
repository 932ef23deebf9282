package jsontext

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPlain(t *testing.T) {
	for _, odd := range []string{"\"", "\\", "\x00", "\x1f", ""} {
		for n := range 40 {
			for _, fill := range []string{"a", "\x7f", " ", "#", "]"} {
				text := strings.Repeat(fill, n)
				if got, ascii := Plain([]byte(text + odd + "\"é")); odd != "" && (got != n || !ascii) {
					t.Errorf("%q then %q: %d, %v", text, odd, got, ascii)
				}
			}
			text := strings.Repeat("é", n)
			if got, ascii := Plain([]byte(text + odd)); got != len(text) || ascii != (n == 0) {
				t.Errorf("%q then %q: %d, %v", text, odd, got, ascii)
			}
		}
	}
}

// FuzzString reads strings as encoding/json does.
func FuzzString(f *testing.F) {
	for _, s := range []string{"", "plain", `a\"b\\\/\b\f\n\r\t`, `\u00e9\ud83d\ude00\ud800x\udc00`, "\xff\xc3é", `\x`, `\u12`, "\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var want string
		wantErr := json.Unmarshal([]byte(`"`+s+`"`), &want) != nil
		var got []byte
		gotErr := false
		for b := []byte(s); len(b) > 0 && !gotErr; {
			n, ascii := Plain(b)
			got = AppendUTF8(got, b[:n], ascii)
			if b = b[n:]; len(b) == 0 {
				break
			}
			r, n := rune(0), 0
			if b[0] == '\\' {
				r, n = Escape(b)
			}
			gotErr = n == 0
			got, b = utf8.AppendRune(got, r), b[n:]
		}
		if gotErr != wantErr || !wantErr && string(got) != want {
			t.Errorf("%q: %q, %v; want %q, %v", s, got, gotErr, want, wantErr)
		}
	})
}

// FuzzUnquote reads the strings that encoding/json reads, to the same text.
func FuzzUnquote(f *testing.F) {
	for _, s := range []string{`""`, `"a"`, `"a\n\"b\\"`, `"\u00e9é\ud83d\ude00"`, `"\ud83d"`, `"\/ \b"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var want string
		if !strings.HasPrefix(s, `"`) || !strings.HasSuffix(s, `"`) || !utf8.ValidString(s) || json.Unmarshal([]byte(s), &want) != nil {
			return
		}
		if got := string(Unquote([]byte(s))); got != want {
			t.Errorf("%s: %q, want %q", s, got, want)
		}
	})
}

// FuzzNumber finds the numbers that encoding/json finds.
func FuzzNumber(f *testing.F) {
	for _, s := range []string{"0", "-0", "10", "-12.50", "1e9", "1E+2", "2e-07", "-0.0e0", "", "-", "01", "+1", ".5", "1.", "1.e3", "1e", "1e+", "-a", "1 "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		number := strings.Trim(s, " \t\r\n") == s && json.Valid([]byte(s)) && (s[0] == '-' || s[0] >= '0' && s[0] <= '9')
		n, integer := Number([]byte(s))
		if (n > 0 && n == len(s)) != number {
			t.Errorf("%q: %d bytes, but number: %v", s, n, number)
		}
		if n > 0 && (!json.Valid([]byte(s[:n])) || integer == strings.ContainsAny(s[:n], ".eE")) {
			t.Errorf("%q: %q, an integer: %v", s, s[:n], integer)
		}
	})
}

func BenchmarkPlain(b *testing.B) {
	text := []byte(strings.Repeat("lorem ipsum ", 20) + `"`)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		Plain(text)
	}
}
