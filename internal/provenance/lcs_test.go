package provenance

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCompareRebuilds: what the blocks say makes the second list of the
// first, they are in order, and what is between them is equal.
func TestCompareRebuilds(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		a, b := make([]int, random.IntN(30)), make([]int, random.IntN(30))
		letters := 1 + random.IntN(20)
		for i := range a {
			a[i] = random.IntN(letters)
		}
		for i := range b {
			b[i] = random.IntN(letters)
		}
		if random.IntN(2) == 0 { // a few edits
			b = slices.Clone(a)
			for range random.IntN(4) {
				at := random.IntN(len(b) + 1)
				if random.IntN(2) == 0 && at < len(b) {
					b = slices.Delete(b, at, at+1)
				} else {
					b = slices.Insert(b, at, random.IntN(letters))
				}
			}
		}
		checkBlocks(t, a, b, compare(a, b))
	}
}

func checkBlocks(t *testing.T, a, b []int, blocks []block) {
	t.Helper()
	var made []int
	at, atB := 0, 0
	for _, x := range blocks {
		if x.a0 < at || x.b0 < atB || x.a0-at != x.b0-atB || x.a1 == x.a0 && x.b1 == x.b0 {
			t.Fatalf("%v to %v: %v", a, b, blocks)
		}
		made = append(append(made, a[at:x.a0]...), b[x.b0:x.b1]...)
		at, atB = x.a1, x.b1
	}
	if made = append(made, a[at:]...); !slices.Equal(made, b) {
		t.Fatalf("%v to %v: %v gives %v", a, b, blocks, made)
	}
}

// TestFewestEdits: without anchors, the edits are as few as can be.
func TestFewestEdits(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 1000 {
		a, b := make([]int, random.IntN(12)), make([]int, random.IntN(12))
		for i := range a {
			a[i] = random.IntN(3)
		}
		for i := range b {
			b[i] = random.IntN(3)
		}
		d := &differ{a: a, b: b}
		d.myers(0, len(a), 0, len(b))
		checkBlocks(t, a, b, d.blocks)
		edits := 0
		for _, x := range d.blocks {
			edits += x.a1 - x.a0 + x.b1 - x.b0
		}
		if want := len(a) + len(b) - 2*common(a, b); edits != want {
			t.Fatalf("%v to %v: %d edits, %d would do: %v", a, b, edits, want, d.blocks)
		}
	}
}

// common is the length of the longest common subsequence.
func common(a, b []int) int {
	if len(a) == 0 || len(b) == 0 {
		return 0
	}
	table := make([][]int, len(a)+1)
	for i := range table {
		table[i] = make([]int, len(b)+1)
	}
	for i := range a {
		for j := range b {
			if a[i] == b[j] {
				table[i+1][j+1] = table[i][j] + 1
			} else {
				table[i+1][j+1] = max(table[i][j+1], table[i+1][j])
			}
		}
	}
	return table[len(a)][len(b)]
}

// TestLongListsAreBounded: lists that have next to nothing in common are told
// as replaced, without the square of their length in time or memory.
func TestLongListsAreBounded(t *testing.T) {
	var a, b []string
	for i := range 20_000 {
		a = append(a, fmt.Sprint("a", i%777))
		b = append(b, fmt.Sprint("b", i%777))
	}
	want := []block{{0, len(a), 0, len(b)}}
	if diff := cmp.Diff(want, compare(a, b), cmp.AllowUnexported(block{})); diff != "" {
		t.Error(diff)
	}
}

// unified shows a difference as diff -u does, marks in brackets.
func unified(d *TextDiff) string {
	if d == nil {
		return "equal\n"
	}
	var s strings.Builder
	for _, h := range d.Hunks {
		fmt.Fprintf(&s, "@@ -%d,%d +%d,%d @@\n", h.OldStart, h.OldLines, h.NewStart, h.NewLines)
		for _, l := range h.Lines {
			text := l.Text
			for _, m := range slices.Backward(l.Marks) {
				text = text[:m[0]] + "[" + text[m[0]:m[1]] + "]" + text[m[1]:]
			}
			s.WriteString(l.Op + text + "\n")
		}
	}
	fmt.Fprintf(&s, "+%d -%d", d.Added, d.Removed)
	if d.Truncated {
		s.WriteString(" truncated")
	}
	return s.String() + "\n"
}

func TestDiffText(t *testing.T) {
	lines := func(n int) string {
		var s strings.Builder
		for i := range n {
			fmt.Fprintf(&s, "line %d\n", i+1)
		}
		return s.String()
	}
	for _, c := range []struct{ name, before, after, want string }{
		{"equal", "a\n", "a\n", "equal\n"},
		{"from nothing", "", "a\nb\n", "@@ -1,0 +1,2 @@\n+a\n+b\n+2 -0\n"},
		{"to nothing", "a\n", "", "@@ -1,1 +1,0 @@\n-a\n+0 -1\n"},
		{"a word", "You are a careful agent.\n", "You are a very careful agent!\n",
			"@@ -1,1 +1,1 @@\n-You are a careful agent[.]\n+You are a [very ]careful agent[!]\n+1 -1\n"},
		{"another line", "what was here\n", "1 + 2 = 3, so far\n", "@@ -1,1 +1,1 @@\n-what was here\n+1 + 2 = 3, so far\n+1 -1\n"},
		{"a line feed at the end", "a\nb", "a\nb\n", "@@ -1,2 +1,2 @@\n a\n-b\n+b\n+1 -1\n"},
		{"in the middle", lines(9), strings.Replace(lines(9), "line 5\n", "", 1),
			"@@ -2,7 +2,6 @@\n line 2\n line 3\n line 4\n-line 5\n line 6\n line 7\n line 8\n+0 -1\n"},
		{"two places", lines(20), strings.NewReplacer("line 2\n", "", "line 19\n", "line 19\nnew\n").Replace(lines(20)),
			"@@ -1,5 +1,4 @@\n line 1\n-line 2\n line 3\n line 4\n line 5\n@@ -17,4 +16,5 @@\n line 17\n line 18\n line 19\n+new\n line 20\n+1 -1\n"},
		{"hostile", "\x1b[2J\xff\xfe\x00\n", "\x1b[3J\xff\xfe\x00\n", "@@ -1,1 +1,1 @@\n-\x1b[[2J]\xff\xfe\x00\n+\x1b[[3J]\xff\xfe\x00\n+1 -1\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, unified(diffText(c.before, c.after))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestDiffTextIsBounded: counts are exact, what is shown is not without end.
func TestDiffTextIsBounded(t *testing.T) {
	d := diffText("", strings.Repeat("x\n", 10_000))
	if d.Added != 10_000 || !d.Truncated || len(d.Hunks) != 1 || len(d.Hunks[0].Lines) != maxDiffLines {
		t.Errorf("%d added, truncated %v", d.Added, d.Truncated)
	}
}
