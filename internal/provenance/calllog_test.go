package provenance

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autosafe/autosafe/cache"
)

func (k *kitchen) log() *CallLog {
	k.t.Helper()
	l, err := NewCallLog(k.store)
	if err != nil {
		k.t.Fatal(err)
	}
	return l
}

func (k *kitchen) find(l *CallLog, f CallFilter, most int) []CallRef {
	k.t.Helper()
	refs, found, err := l.Find(k.t.Context(), f, most)
	if err != nil || most == 0 && found != len(refs) || len(refs) > found {
		k.t.Fatalf("%d of %d, %v", len(refs), found, err)
	}
	return refs
}

func TestFindCalls(t *testing.T) {
	k := newKitchen(t)
	b := k.build()
	l := k.log()
	all := k.find(l, CallFilter{}, 0)
	if len(all) < 5 {
		t.Fatalf("%d calls", len(all))
	}
	if !slices.IsSortedFunc(all, func(a, b CallRef) int { return b.Put.Compare(a.Put) }) {
		t.Error("not the newest first")
	}
	if few := k.find(l, CallFilter{}, 3); !slices.Equal(few, all[:3]) {
		t.Errorf("the newest three are %v, want %v", few, all[:3])
	}
	one, err := l.Call(all[0])
	if err != nil || one == nil || one.Reply == nil || one.Unfit != "" || one.Time.IsZero() {
		t.Fatalf("the call %+v, %v", one, err)
	}
	for _, tt := range []struct {
		name string
		f    CallFilter
		want bool // that the call is among them
	}{
		{"model", CallFilter{Model: one.Model}, true},
		{"pattern", CallFilter{Model: one.Model[:1] + "*" + one.Model[len(one.Model)-1:]}, true},
		{"other model", CallFilter{Model: "x" + one.Model}, false},
		{"purpose", CallFilter{Purpose: one.Purpose + "x"}, false},
		{"since then", CallFilter{Since: all[0].Put}, true},
		{"since later", CallFilter{Since: all[0].Put.Add(1)}, false},
		{"key", CallFilter{Prefix: one.Key[:20]}, true},
		{"unfit", CallFilter{Unfit: true}, false},
		{"prompt", CallFilter{Match: strings.ToUpper(one.Messages[0].Content)}, true},
		{"nothing like it", CallFilter{Match: "no such words \"anywhere\""}, false},
	} {
		if got := slices.Contains(k.find(l, tt.f, 0), all[0]); got != tt.want {
			t.Errorf("%s: found %v, want %v", tt.name, got, tt.want)
		}
	}
	// By step: those of all steps are those of the build, and each is used by
	// rows of its step.
	whole, err := CallsOf(t.Context(), k.store, b, "")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, s := range b.Steps {
		set, err := CallsOf(t.Context(), k.store, b, s.Address)
		if err != nil {
			t.Fatal(err)
		}
		for _, ref := range k.find(l, CallFilter{Of: set}, 0) {
			n++
			uses, more, err := l.Uses(t.Context(), ref.Key, 1)
			if err != nil || len(uses) != 1 || more < 0 || uses[0].Build != b.ID || uses[0].Row == "" {
				t.Errorf("%s: used by %v, %d more, %v", s.Address, uses, more, err)
			}
		}
	}
	if got := len(k.find(l, CallFilter{Of: whole}, 0)); n < got || got == 0 {
		t.Errorf("%d calls of the build, %d of its steps", got, n)
	}
	if uses, _, err := l.Uses(t.Context(), cache.Sum([]byte("none")), 5); err != nil || len(uses) != 0 {
		t.Errorf("a call that nobody made is used by %v, %v", uses, err)
	}
}

func TestResolveCalls(t *testing.T) {
	k := newKitchen(t)
	k.build()
	l := k.log()
	ref := k.find(l, CallFilter{}, 1)[0]
	key := ref.Key.String()
	for _, given := range []string{key, key[:16], strings.ToUpper(key)} {
		if got, err := l.Resolve(t.Context(), given); err != nil || got != ref {
			t.Errorf("%s: %v, %v; want %v", given, got, err, ref)
		}
	}
	for given, want := range map[string]string{
		"": "4 digits", key[:3]: "4 digits", "xyz!": "no key of a call", key + "0": "no key of a call",
		strings.Repeat("0", 64): "no call in this cache",
	} {
		if _, err := l.Resolve(t.Context(), given); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", given, err, want)
		}
	}
	// Values that are no records of calls, or another's, are passed over.
	odd := cache.Digest(slices.Repeat([]byte{0xab}, 32))
	value, err := k.store.Get(cache.Calls, ref.Key)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range [][]byte{[]byte("{"), value} {
		if err := k.store.Put(cache.Calls, odd, v); err != nil {
			t.Fatal(err)
		}
		if call, err := l.Call(CallRef{odd, time.Now()}); call != nil || err != nil {
			t.Errorf("read as %+v, %v", call, err)
		}
		if refs := k.find(l, CallFilter{Match: "a"}, 0); slices.ContainsFunc(refs, func(r CallRef) bool { return r.Key == odd }) {
			t.Error("found by what it says")
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := l.Find(ctx, CallFilter{Purpose: "x"}, 0); err != nil && ctx.Err() == nil {
		t.Error(err)
	}
}

func TestLikeText(t *testing.T) {
	for _, tt := range []struct {
		pattern, text string
		want          bool
	}{
		{"a", "a", true}, {"a", "ab", false}, {"a*", "ab", true}, {"*b", "ab", true}, {"a*c", "abc", true}, {"a*c", "ab", false},
		{"*", "", true}, {"a*b*c", "a-b-c", true}, {"a*b*c", "a-c-b", false}, {"ab*ba", "aba", false}, {"org/*-mini", "org/x/y-mini", true}, {"**", "x", true},
	} {
		if got := likeText(tt.pattern, tt.text); got != tt.want {
			t.Errorf("%q like %q: %v", tt.text, tt.pattern, got)
		}
	}
}

func TestUnescaped(t *testing.T) {
	for text, want := range map[string]bool{"pay the bill": true, `a"b`: false, "a\nb": false, "é": false, "a<b": false, `\`: false, "": true} {
		if got := unescaped(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
