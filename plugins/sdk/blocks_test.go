package sdk

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
)

// sendBlocks puts rows, all of which are there before the first is sent, and
// lists what was sent: how many results, with a name or without, or left out.
func sendBlocks(t *testing.T, b *blocks, list []*pluginpb.Result) (sent []string, names [][]byte) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := &sender{ctx: ctx, cancel: cancel, blocks: b, results: make(chan *pluginpb.Result, len(list)), closing: make(chan struct{}), done: make(chan struct{})}
	s.send = func(m *pluginpb.RunResponse) error {
		batch := m.GetResults()
		what := fmt.Sprint(len(batch.GetResults()))
		switch {
		case batch.GetSame() > 0:
			what = fmt.Sprint("same ", batch.GetSame())
		case len(batch.GetBlock()) > 0:
			what += " named"
		}
		if name := batch.GetBlock(); name != nil {
			names = append(names, name)
		}
		sent = append(sent, what)
		return nil
	}
	for _, r := range list {
		s.results <- r
	}
	close(s.closing)
	s.loop()
	return sent, names
}

func numbered(n, size int) []*pluginpb.Result {
	list := make([]*pluginpb.Result, n)
	for i := range list {
		row := fmt.Sprintf(`{"n":%d,"text":%q}`, i, strings.Repeat("x", size))
		list[i] = &pluginpb.Result{Seq: uint64(i), Rows: [][]byte{[]byte(row)}}
	}
	return list
}

func TestBlocks(t *testing.T) {
	if newBlocks(nil) != nil {
		t.Error("blocks for a host that knows none")
	}
	for _, c := range []struct {
		name   string
		rows   int
		size   int
		change func(list []*pluginpb.Result)
		first  []string
		again  []string // where the host knows what was named, and a row changed
	}{
		{"small rows", 600, 10, func(list []*pluginpb.Result) { list[300].Rows[0] = []byte(`{}`) },
			[]string{"256 named", "256 named", "88"}, []string{"same 256", "256 named", "88"}},
		{"large rows", 5, 150 << 10, func(list []*pluginpb.Result) { list[2].Rows[0][6] = '7' },
			[]string{"2 named", "2 named", "1"}, []string{"same 2", "2 named", "1"}},
		{"rows larger than a block", 3, blockBytes, func(list []*pluginpb.Result) { list[1].Rows[0][6] = '7' },
			[]string{"1 named", "1 named", "1 named"}, []string{"same 1", "1 named", "same 1"}},
		{"a row that fails", 600, 10, func(list []*pluginpb.Result) {
			list[3] = &pluginpb.Result{Seq: 3, Error: &pluginpb.RowError{Code: "bad_row"}}
		}, []string{"256 named", "256 named", "88"}, []string{"256", "same 256", "88"}},
		{"a row cut in two", 600, 10, func(list []*pluginpb.Result) {
			list[3].Rows = [][]byte{list[3].Rows[0][:5], list[3].Rows[0][5:]}
		}, []string{"256 named", "256 named", "88"}, []string{"256 named", "same 256", "88"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			list := numbered(c.rows, c.size)
			sent, names := sendBlocks(t, newBlocks(&pluginpb.Blocks{}), list)
			if diff := cmp.Diff(c.first, sent); diff != "" {
				t.Error(diff)
			}
			c.change(list)
			if sent, _ = sendBlocks(t, newBlocks(&pluginpb.Blocks{Known: append(names, []byte("short"))}), list); !cmp.Equal(sent, c.again) {
				t.Error(cmp.Diff(c.again, sent))
			}
		})
	}
}

// TestBlocksInParts: a block of which a part was sent early has no name, and
// the next one ends where it would have.
func TestBlocksInParts(t *testing.T) {
	b := newBlocks(&pluginpb.Blocks{})
	list := numbered(600, 10)
	for _, r := range list[:100] {
		b.open.rows++
		b.open.bytes += weight(r)
	}
	sent, _ := sendBlocks(t, b, list[100:])
	if want := []string{"156", "256 named", "88"}; !cmp.Equal(sent, want) {
		t.Error(cmp.Diff(want, sent))
	}
}
