package files

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
)

// What a page becomes is bounded by what its header says, however much it
// would become.
func TestDecodedIsBounded(t *testing.T) {
	plain := make([]byte, 32<<20)
	var gz bytes.Buffer
	z := gzip.NewWriter(&gz)
	if _, err := z.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	check := &pageChecker{}
	defer check.close()
	for codec, content := range map[format.CompressionCodec][]byte{
		format.Gzip: gz.Bytes(), format.Zstd: encoder.EncodeAll(plain, nil), format.Snappy: snappy.Encode(nil, plain),
	} {
		if n, err := check.decoded(codec, content, int64(len(plain))); err != nil || n != int64(len(plain)) {
			t.Errorf("%s: %d bytes, %v", codec, n, err)
		}
		if n, err := check.decoded(codec, content, 100); err != nil || n == 100 || codec != format.Snappy && n != 101 {
			t.Errorf("%s: %d bytes of 100, %v", codec, n, err)
		}
		if n, err := check.decoded(codec, []byte("nothing of the kind"), 100); err == nil && n == 100 {
			t.Errorf("%s: text was taken", codec)
		}
	}
	if _, err := check.decoded(format.Brotli, nil, 1); err == nil {
		t.Error("brotli was read")
	}
}

// Thrift's compact protocol: whole numbers, lists and what stands in them, and
// an end to what claims more than there is.
func TestReadThrift(t *testing.T) {
	var got []string
	visit := func(path []int, v int64, list bool) error {
		sign := "="
		if list {
			sign = "#"
		}
		name := strings.Trim(strings.ReplaceAll(fmt.Sprint(path), " ", "."), "[]")
		got = append(got, fmt.Sprint(name, sign, v))
		return nil
	}
	// 1: i32 -3; 2: list of 2 structs {1: i64 5}; 4: binary "ab"; 5: true; 20: i32 1
	text := []byte{0x15, 5, 0x19, 0x2c, 0x16, 10, 0, 0x16, 10, 0, 0x28, 2, 'a', 'b', 0x11, 0x05, 40, 2, 0, 'r', 'e', 's', 't'}
	n, err := readThrift(text, visit)
	if err != nil || string(text[n:]) != "rest" {
		t.Errorf("%d bytes, %v", n, err)
	}
	if want := "1=-3 2#2 2.1=5 2.1=5 5=1 20=1"; strings.Join(got, " ") != want {
		t.Errorf("%s, want %s", strings.Join(got, " "), want)
	}
	for i := range n { // the last byte is the end
		if _, err := readThrift(text[:i], visit); err == nil {
			t.Errorf("%d bytes of %d were taken for the whole", i, n)
		}
	}
}
