package cache

import (
	"encoding/hex"
	"strings"
	"testing"
)

// The format on disk: stores that users have must stay readable. If this
// fails, the format needs a folder of its own (v2), not another golden value.
func TestFormatIsPinned(t *testing.T) {
	rec, err := newCodec().encode(Calls, Sum([]byte("key")), []byte("value"))
	if err != nil {
		t.Fatal(err)
	}
	seal(*rec, 0x0123456789abcdef, segmentHeader, 7)
	key := Sum([]byte("key"))
	e := entry{fold: foldKey(&key), seq: 7, off: segmentHeader, n: uint32(len(*rec))}
	for _, c := range []struct {
		what string
		got  []byte
		want string
	}{
		{"segment header", segmentHead(Calls, 0x0123456789abcdef), `61736166657365670100030000000000efcdab896745230100000000199ea63f`},
		{"record", *rec, `f56172ff00030000050000000500000007000000000000002c70e12b7a0646f9
			2279f427c7b38e7334d8e5389cff167a1dc30e73f826b68325a97ac115ec8fcb
			aeefee0c0efd1759da81d984e5f7f61376616c7565`},
		{"sidecar", e.appendTo(sidecarHead(0x0123456789abcdef)), `6173616665696478efcdab8967452301a491909b000dbbafd5b13bcec142e8c6
			0700000000000000200000005500000000000000fe519be5`},
	} {
		if got := hex.EncodeToString(c.got); got != strings.Join(strings.Fields(c.want), "") {
			t.Errorf("%s is %s", c.what, got)
		}
	}
	names := ""
	for _, k := range kinds() {
		names += k.String() + " "
	}
	if names != "steps rows calls blobs files describe builds batches " || Blobs != 0 || Steps != 1 || Describe != 5 || Builds != 6 || Batches != 7 {
		t.Errorf("kinds: %s", names)
	}
}
