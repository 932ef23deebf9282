package key

import (
	"bytes"
	"encoding/hex"
	"testing"
)

func sample() List {
	l := New("autosafe.call/1")
	l.AddString("model", "gpt-x")
	l.AddInt("sample", -3)
	l.Add("empty", nil)
	return l
}

// The digests are pinned: a change here makes every cache worthless.
func TestDigestGolden(t *testing.T) {
	tests := []struct {
		name string
		list List
		want string
	}{
		{"empty", nil, "7863b1f4023cd607d880dc584788fb7ab3f9455e17f9064a4e93eec68bda6ec3"},
		{"tag", New("autosafe.call/1"), "cb2c842c29b4b17c6d162b321eb0041cf9124bb0f9499d492213dc9ab455b13f"},
		{"sample", sample(), "78905b64ec4f932aaf7275daf7425887678392b5b87586ce2941222f985963ea"},
		{"long", List{{"v", bytes.Repeat([]byte("x"), 300)}}, "6768cd8ed31e6635e3a669e85937ccfec6a97140e8bb746ef7d65e8dc3fb6415"},
	}
	for _, tt := range tests {
		got := tt.list.Digest()
		if hex.EncodeToString(got[:]) != tt.want {
			t.Errorf("%s: digest %x, want %s", tt.name, got, tt.want)
		}
	}
}

func TestEncodeGolden(t *testing.T) {
	l := List{{"a", []byte("bc")}, {"", nil}}
	want := "autosafe.parts/1\n\x01a\x02bc\x00\x00"
	if got := string(l.Encode()); got != want {
		t.Errorf("encoded %q, want %q", got, want)
	}
}

func TestNeighboursDiffer(t *testing.T) {
	lists := []List{
		{},
		{{"", nil}},
		{{"", nil}, {"", nil}},
		{{"a", []byte("b")}},
		{{"ab", nil}},
		{{"", []byte("ab")}},
		{{"a", nil}, {"b", nil}},
		{{"b", nil}, {"a", nil}},
		{{"a", []byte("\x01b\x00")}},
		{{"a", nil}, {"b", nil}, {"", nil}},
	}
	for i, a := range lists {
		for j, b := range lists {
			if same := a.Digest() == b.Digest(); same != (i == j) {
				t.Errorf("%v and %v: same digest is %v", a, b, same)
			}
			if a.Equal(b) != (i == j) {
				t.Errorf("%v and %v: Equal is %v", a, b, a.Equal(b))
			}
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	good := string(sample().Encode())
	bad := map[string]string{
		"nothing":       "",
		"other format":  "autosafe.parts/2\n",
		"cut":           good[:len(good)-1],
		"trailing":      good + "\x01",
		"huge length":   format + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		"overflow":      format + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		"long varint":   format + "\x81\x00a\x00",
		"value missing": format + "\x01a",
	}
	for name, b := range bad {
		if l, err := Decode([]byte(b)); err == nil {
			t.Errorf("%s: decoded as %v", name, l)
		}
	}
}

// FuzzDecode: whatever decodes, encodes to the same bytes. With the next
// test this makes the encoding one to one.
func FuzzDecode(f *testing.F) {
	f.Add(sample().Encode())
	f.Add([]byte(format + "\x81\x00a\x00"))
	f.Add([]byte(format))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := Decode(b)
		if err != nil {
			return
		}
		if !bytes.Equal(l.Encode(), b) {
			t.Errorf("%q decodes to %v, which encodes to %q", b, l, l.Encode())
		}
	})
}

// FuzzEncode: different lists never encode alike, and Decode inverts Encode.
func FuzzEncode(f *testing.F) {
	f.Add("a", "b", "c", "d", "ab", "", "c", "d")
	f.Add("", "", "", "", "", "", "", "")
	f.Add("a", "\x01b\x00", "", "", "a", "", "b", "")
	f.Fuzz(func(t *testing.T, a1, a2, a3, a4, b1, b2, b3, b4 string) {
		a := List{{a1, []byte(a2)}, {a3, []byte(a4)}}
		for _, b := range []List{{{b1, []byte(b2)}, {b3, []byte(b4)}}, {{b1, []byte(b2)}}, {}} {
			if bytes.Equal(a.Encode(), b.Encode()) != a.Equal(b) {
				t.Errorf("%v and %v encode alike or are equal and do not", a, b)
			}
		}
		back, err := Decode(a.Encode())
		if err != nil || !back.Equal(a) {
			t.Errorf("%v came back as %v, %v", a, back, err)
		}
	})
}
