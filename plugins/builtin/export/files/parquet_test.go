package files_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/autosafe/autosafe/plugins/builtin/export/exporttest"
	"github.com/autosafe/autosafe/plugins/builtin/export/files"
)

const shard0 = "train-00000-of-00001.parquet"

func written(t testing.TB, config string, lines []string) []byte {
	t.Helper()
	return exporttest.Run(t, output(everything()), config, giving(t, lines)).Files[shard0].Content
}

func opened(t testing.TB, content []byte) *parquet.File {
	t.Helper()
	f, err := parquet.OpenFile(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// The metadata says what the file is and what Hugging Face makes of it.
func TestMetadata(t *testing.T) {
	f := opened(t, written(t, `{"files":"parquet"}`, oddLines()))
	for key, want := range map[string]string{
		files.FormatKey:      "everything",
		files.JSONColumnsKey: `["any","anys","messages.calls.arguments","nested"]`,
		files.FeaturesKey: `{"info":{"features":{"any":{"_type":"Json"},"anys":[{"_type":"Json"}],"count":{"dtype":"int64","_type":"Value"},` +
			`"few":{"dtype":"string","_type":"Value"},"labels":[{"dtype":"bool","_type":"Value"}],"messages":[{"calls":[{"arguments":{"_type":"Json"},` +
			`"name":{"dtype":"string","_type":"Value"}}],"content":{"dtype":"string","_type":"Value"},"role":{"dtype":"string","_type":"Value"},` +
			`"tags":[{"dtype":"string","_type":"Value"}]}],"nested":{"dtype":"string","_type":"Value"},"object":{"kept":{"dtype":"string","_type":"Value"},` +
			`"role":{"dtype":"string","_type":"Value"}},"text":{"dtype":"string","_type":"Value"},"texts":[{"dtype":"string","_type":"Value"}],` +
			`"weight":{"dtype":"float64","_type":"Value"},"yes":{"dtype":"bool","_type":"Value"}}}}`,
	} {
		if got, _ := f.Lookup(key); got != want {
			t.Errorf("%s: %s\nwant %s", key, got, want)
		}
	}
	if f.Metadata().CreatedBy != "autosafe version 1 (build 0)" {
		t.Errorf("created by %q", f.Metadata().CreatedBy)
	}
}

// Every column has the places of its pages, and those alone an index of
// values whose bounds are kept: one that says that all are "" would have
// readers pass over the pages.
func TestPageIndex(t *testing.T) {
	content := written(t, `{"files":"parquet"}`, numbered(3000, 1200))
	f := opened(t, content)
	bounded := map[string]bool{"few": true, "yes": true, "count": true, "weight": true, "labels.list.element": true, "messages.list.element.role": true, "messages.list.element.calls.list.element.name": true}
	pages := 0
	for g, group := range f.Metadata().RowGroups {
		if group.NumRows > 1000 {
			t.Errorf("row group %d has %d rows", g, group.NumRows)
		}
		for _, c := range group.Columns {
			path := strings.Join(c.MetaData.PathInSchema, ".")
			if c.OffsetIndexOffset == 0 || c.OffsetIndexLength == 0 {
				t.Fatalf("%s has no offset index", path)
			}
			if has := c.ColumnIndexOffset != 0; has != bounded[path] {
				t.Errorf("%s has an index of values: %t", path, has)
			}
			if path == "text" && c.MetaData.Statistics.MaxValue != nil {
				t.Errorf("the footer holds texts")
			}
		}
	}
	for _, group := range f.RowGroups() {
		for i, chunk := range group.ColumnChunks() {
			index, err := chunk.OffsetIndex()
			if err != nil {
				t.Fatal(err)
			}
			if strings.Join(f.Schema().Columns()[i], ".") == "text" {
				pages += index.NumPages()
			}
		}
	}
	for g, group := range f.Metadata().RowGroups {
		c := group.Columns[2] // after any and anys
		var index format.ColumnIndex
		if err := thrift.Unmarshal(new(thrift.CompactProtocol), content[c.ColumnIndexOffset:c.ColumnIndexOffset+int64(c.ColumnIndexLength)], &index); err != nil {
			t.Fatal(err)
		}
		least, most := binary.LittleEndian.Uint64(index.MinValues[0]), binary.LittleEndian.Uint64(index.MaxValues[len(index.MaxValues)-1])
		if c.MetaData.PathInSchema[0] != "count" || least != uint64(1000*g) || most != uint64(1000*g+999) {
			t.Errorf("%s of row group %d goes from %d to %d", c.MetaData.PathInSchema, g, least, most)
		}
	}
	if pages < 6 {
		t.Errorf("3.6 MB of text in three row groups are %d pages", pages)
	}
}

// A row group ends where its rows, or their size, say.
func TestRowGroupBounds(t *testing.T) {
	for _, c := range []struct {
		lines  []string
		groups int
	}{{numbered(2001, 10), 3}, {numbered(2000, 10), 2}, {numbered(18, 1<<20), 2}} {
		content := written(t, `{"files":"parquet"}`, c.lines)
		if got := len(opened(t, content).RowGroups()); got != c.groups {
			t.Errorf("%d rows in %d row groups, want %d", len(c.lines), got, c.groups)
		}
		if got := read(t, content, everything().Columns); len(got) != len(c.lines) || got[len(got)-1] != c.lines[len(c.lines)-1] {
			t.Errorf("%d rows came back of %d, or others", len(got), len(c.lines))
		}
	}
}

// Files that other programs wrote, with lists of other forms, other kinds of
// numbers, and columns that the format does not know.
func TestReadForeign(t *testing.T) {
	type call struct {
		Name string `parquet:"name"`
	}
	type row struct {
		Bare  []string  `parquet:"bare"`
		Text  string    `parquet:"text,dict,snappy"`
		Small int32     `parquet:"small"`
		Short float32   `parquet:"short"`
		Calls []call    `parquet:"calls,list"`
		Maybe *int64    `parquet:"maybe,optional"`
		JSON  string    `parquet:"any,json"`
		Also  string    `parquet:"known"`
		Sizes []float64 `parquet:"sizes,list"`
	}
	three := int64(3)
	var b bytes.Buffer
	w := parquet.NewGenericWriter[row](&b, parquet.DataPageVersion(1), parquet.DefaultEncodingFor(parquet.ByteArray, &parquet.Plain))
	_, err := w.Write([]row{
		{Bare: []string{"a", "b"}, Text: "x", Small: -5, Short: 0.5, Calls: []call{{"f"}, {"g"}}, Maybe: &three, JSON: ` {"a": [1, 2]} `, Also: `{"k":1}`, Sizes: []float64{1, 2.5}},
		{JSON: "null", Also: "[]"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got := read(t, b.Bytes(), []files.Column{{Name: "known", Type: files.JSONText}})
	want := []string{
		`{"any":{"a":[1,2]},"bare":["a","b"],"calls":[{"name":"f"},{"name":"g"}],"known":{"k":1},"maybe":3,"short":0.5,"sizes":[1,2.5],"small":-5,"text":"x"}`,
		`{"any":null,"bare":[],"calls":[],"known":[],"short":0,"sizes":[],"small":0,"text":""}`,
	}
	for i, line := range got {
		if len(got) != len(want) || plain(t, line) != plain(t, want[i]) {
			t.Errorf("row %d: %s\nwant %s", i, line, want[i])
		}
	}
}

// What cannot be JSON is refused with its row and column.
func TestReadRefuses(t *testing.T) {
	for _, c := range []struct {
		row  any
		want string
	}{
		{struct {
			A string `parquet:"a,plain"`
		}{"\xff"}, "row 1: column a is not UTF-8"},
		{struct {
			A string `parquet:"a,json,plain"`
		}{"{"}, "row 1: column a is not JSON"},
		{struct{ A float64 }{math.NaN()}, "row 1: column A holds NaN"},
		{struct{ A [16]byte }{}, "holds what is not read here"},
		{struct {
			A string `parquet:"a,delta"`
		}{"x"}, "DELTA_BYTE_ARRAY, which is not read here"},
		{struct {
			A string `parquet:"a,plain,brotli"`
		}{"x"}, "BROTLI is not read here"},
	} {
		var b bytes.Buffer
		w := parquet.NewWriter(&b)
		if err := w.Write(c.row); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		err := readAll(b.Bytes())
		if !errors.Is(err, files.ErrParquet) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

func readAll(content []byte) error {
	return files.ReadParquet(bytes.NewReader(content), int64(len(content)), everything().Columns, func([]byte) error { return nil })
}

// The reading ends with the caller's error, as it is.
func TestReadStops(t *testing.T) {
	content, stop, n := written(t, `{"files":"parquet"}`, numbered(100, 10)), errors.New("enough"), 0
	err := files.ReadParquet(bytes.NewReader(content), int64(len(content)), nil, func([]byte) error {
		if n++; n == 7 {
			return stop
		}
		return nil
	})
	if n != 7 || !errors.Is(err, stop) || errors.Is(err, files.ErrParquet) {
		t.Errorf("%d rows, %v", n, err)
	}
}

// withFooter is a file of nothing but a footer.
func withFooter(footer []byte) []byte {
	b := append([]byte("PAR1"), footer...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(footer)))
	return append(b, "PAR1"...)
}

// Files that claim more than they have, or than can be held.
func TestReadHostile(t *testing.T) {
	good := written(t, `{"files":"parquet"}`, oddLines())
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0x07} // as a number of elements or bytes
	cases := map[string][]byte{
		"empty": {}, "short": []byte("PAR1"), "text": []byte(`{"a":1}` + strings.Repeat(" ", 100)),
		"cut off": good[:len(good)/2], "no beginning": good[1:], "footer beyond": append(bytes.Clone(good[:len(good)-8]), 0xff, 0xff, 0xff, 0x7f, 'P', 'A', 'R', '1'),
		"no footer":        withFooter(nil),
		"list of millions": withFooter(append([]byte{0x15, 2, 0x19, 0xfc}, huge...)),
		"text of millions": withFooter(append([]byte{0x15, 2, 0x58}, huge...)),
		"deep":             withFooter(bytes.Repeat([]byte{0x1c}, 1<<20)),
		"deep lists":       withFooter(append([]byte{0x19}, bytes.Repeat([]byte{0x19}, 1<<20)...)),
		"many columns":     withFooter(append([]byte{0x15, 2, 0x19, 0xfc, 0x80, 0x80, 0x40}, make([]byte, 1<<20)...)),
		"many row groups":  withFooter(append([]byte{0x15, 2, 0x29, 0xfc, 0x80, 0x80, 0x40}, make([]byte, 1<<20)...)),
	}
	for name, content := range cases {
		if err := readAll(content); !errors.Is(err, files.ErrParquet) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A file that is damaged anywhere gives an error or rows, but no panic.
func TestReadDamaged(t *testing.T) {
	good := written(t, `{"files":"parquet","compression":"none"}`, oddLines())
	for n, step := range []byte{1, 0x80, 0xff} {
		for i := n; i < len(good); i += 13 {
			bad := bytes.Clone(good)
			bad[i] ^= step
			if err := readAll(bad); err != nil && !errors.Is(err, files.ErrParquet) {
				t.Fatalf("byte %d: %v", i, err)
			}
		}
	}
}

// FuzzReadParquet sees that no file makes the reader panic, hang, or take
// memory without end.
func FuzzReadParquet(f *testing.F) {
	for _, config := range []string{`{"files":"parquet"}`, `{"files":"parquet","compression":"none"}`, `{"files":"parquet","compression":"snappy"}`, `{"files":"parquet","compression":"gzip"}`} {
		f.Add(written(f, config, oddLines()))
		f.Add(written(f, config, oddLines()[:3]))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		rows := 0
		err := files.ReadParquet(bytes.NewReader(content), int64(len(content)), everything().Columns, func(line []byte) error {
			if rows++; rows > 10000 {
				return errEnough
			}
			if rows < 100 {
				plain(t, string(line))
			}
			return nil
		})
		if err != nil && !errors.Is(err, files.ErrParquet) && !errors.Is(err, errEnough) {
			t.Fatal(err)
		}
	})
}

var errEnough = errors.New("enough rows")

// plain is JSON, written alike.
func plain(t testing.TB, text string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return fmt.Sprint(v)
}
