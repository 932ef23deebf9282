package parquet

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/autosafe/autosafe/plugins/builtin/export"
	"github.com/autosafe/autosafe/plugins/builtin/export/exporttest"
	"github.com/autosafe/autosafe/plugins/builtin/export/files"
)

const (
	fixture = "../export/testdata/rows.jsonl"
	shard0  = "train-00000-of-00001.parquet"
)

func open(t testing.TB, content []byte) *parquet.File {
	t.Helper()
	f, err := parquet.OpenFile(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// readBack gives a file's rows as JSON objects again, without the columns
// that are null.
func readBack(t testing.TB, content []byte) []string {
	t.Helper()
	f := open(t, content)
	list, _ := f.Lookup(files.JSONColumnsKey)
	var asJSON []string
	if err := json.Unmarshal([]byte(list), &asJSON); err != nil {
		t.Fatalf("%s = %q: %v", files.JSONColumnsKey, list, err)
	}
	var out []string
	r := parquet.NewReader(f)
	defer r.Close()
	names := r.Schema().Columns()
	buffer := make([]parquet.Row, 64)
	for {
		n, err := r.ReadRows(buffer)
		for _, values := range buffer[:n] {
			row := map[string]json.RawMessage{}
			for _, v := range values {
				name := names[v.Column()][0]
				switch {
				case v.IsNull():
				case name == files.ExtraColumn:
					var extra map[string]json.RawMessage
					if err := json.Unmarshal(v.ByteArray(), &extra); err != nil {
						t.Fatal(err)
					}
					for k, e := range extra {
						row[k] = e
					}
				case slices.Contains(asJSON, name):
					row[name] = bytes.Clone(v.ByteArray())
				default:
					row[name] = encoded(t, string(v.ByteArray()))
				}
			}
			out = append(out, string(encoded(t, row)))
		}
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func encoded(t testing.TB, v any) []byte {
	t.Helper()
	text, err := export.JSON(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// withoutNulls is a row as readBack gives it.
func withoutNulls(t testing.TB, row string) string {
	t.Helper()
	var columns map[string]json.RawMessage
	if err := json.Unmarshal([]byte(row), &columns); err != nil {
		t.Fatal(err)
	}
	for k, v := range columns {
		if string(v) == "null" {
			delete(columns, k)
		}
	}
	return string(encoded(t, columns))
}

// plain is JSON with its strings escaped alike.
func plain(t testing.TB, text string) string {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return string(encoded(t, v))
}

func TestRoundTrip(t *testing.T) {
	rows := append(exporttest.Fixture(t, fixture), exporttest.Random(t, 200)...)
	rows = append(rows, `{"id":"x","n":12345678901234567890,"list":[1,{"a":null}],"extra":{"k":1},"text":"\u0000<b>"}`,
		`{"id":7,"tools":"text","trajectory":5,"kind":["scenario"],"safe_action":true}`, `{}`)
	r := exporttest.Run(t, Component(), `{}`, rows)
	a := r.Files[shard0]
	if a.Rows != int64(len(rows)) || a.MediaType != files.ParquetType {
		t.Errorf("%d rows of type %s, want %d", a.Rows, a.MediaType, len(rows))
	}
	got := readBack(t, a.Content)
	for i, row := range rows {
		if want := plain(t, withoutNulls(t, row)); plain(t, got[i]) != want {
			t.Errorf("row %d:\n%s\nwant\n%s", i, got[i], want)
		}
	}
}

func TestColumns(t *testing.T) {
	r := exporttest.Run(t, Component(), `{}`, exporttest.Fixture(t, fixture))
	f := open(t, r.Files[shard0].Content)
	var names []string
	for _, c := range f.Schema().Columns() {
		names = append(names, strings.Join(c, "."))
	}
	const want = "achievements attempts context_type domain extra id instruction instruction_type kind origin outcome risks " +
		"safe_action safe_verdict scenario_class source toolkits tools trajectory trigger trigger_verdict"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("columns: %s", got)
	}
	if got, _ := f.Lookup(files.FormatKey); got != files.WholeRowsName {
		t.Errorf("format %q", got)
	}
	const asJSON = `["achievements","attempts","extra","origin","risks","safe_action","safe_verdict","toolkits","tools","trajectory","trigger","trigger_verdict"]`
	if got, _ := f.Lookup(files.JSONColumnsKey); got != asJSON {
		t.Errorf("JSON columns %s", got)
	}
}

func TestNotRows(t *testing.T) {
	r := exporttest.Run(t, Component(), `{}`, []string{`[1]`, `{"id":"a"}`, `null`, `{`})
	if got := r.Reasons(); got != "invalid_row - invalid_row invalid_row" {
		t.Errorf("got %s", got)
	}
	if got := readBack(t, r.Files[shard0].Content); !reflect.DeepEqual(got, []string{`{"id":"a"}`}) {
		t.Errorf("got %s", got)
	}
}

// many are different rows with some text of about that size.
func many(n, size int) []string {
	random := rand.New(rand.NewPCG(1, 2))
	rows := make([]string, n)
	for i := range rows {
		text := strings.Repeat(fmt.Sprintf("%020d", random.Uint64()), size/20+1)
		rows[i] = fmt.Sprintf(`{"id":"r%d","instruction":"%s","kind":"scenario"}`, i, text)
	}
	return rows
}

// The footer, read without the library: the Parquet format from its
// specification (Thrift's compact protocol).
func TestFooter(t *testing.T) {
	rows := many(2500, 10)
	content := exporttest.Run(t, Component(), `{}`, rows).Files[shard0].Content
	if !bytes.HasPrefix(content, []byte("PAR1")) || !bytes.HasSuffix(content, []byte("PAR1")) {
		t.Fatal("the file does not begin and end with PAR1")
	}
	end := len(content) - 8
	size := int(binary.LittleEndian.Uint32(content[end:]))
	if size <= 0 || size > end-4 {
		t.Fatalf("a footer of %d bytes", size)
	}
	r := &compact{t: t, b: content[end-size : end]}
	meta := r.object()
	if len(r.b) != 0 {
		t.Errorf("%d bytes after the footer's end", len(r.b))
	}
	if meta[3] != int64(len(rows)) {
		t.Errorf("num_rows = %v", meta[3])
	}
	if meta[6] != "autosafe version 1 (build 0)" {
		t.Errorf("created_by = %v", meta[6])
	}
	var columns []string
	for i, e := range meta[2].([]any) {
		element := e.(map[int]any)
		if i == 0 {
			continue // the root
		}
		columns = append(columns, element[4].(string))
		if element[1] != int64(6) || element[3] != int64(1) || element[6] != int64(0) {
			t.Errorf("column %v is no optional UTF-8 byte array: %v", element[4], element)
		}
	}
	var total int64
	for _, g := range meta[4].([]any) {
		group := g.(map[int]any)
		total += group[3].(int64)
		chunks := group[1].([]any)
		if len(chunks) != len(columns) {
			t.Fatalf("%d column chunks of %d columns", len(chunks), len(columns))
		}
		for i, c := range chunks {
			m := c.(map[int]any)[3].(map[int]any)
			path := m[3].([]any)
			if len(path) != 1 || path[0] != columns[i] || m[4] != int64(6) { // ZSTD
				t.Errorf("chunk %d: path %v, codec %v", i, path, m[4])
			}
			if at := m[9].(int64); at < 4 || at+m[7].(int64) > int64(end-size)+m[7].(int64) {
				t.Errorf("chunk %d begins at %d", i, at)
			}
		}
	}
	if total != int64(len(rows)) {
		t.Errorf("%d rows in the row groups", total)
	}
}

// compact reads Thrift's compact protocol: structs become maps by field id.
type compact struct {
	t testing.TB
	b []byte
}

func (c *compact) byte() byte {
	if len(c.b) == 0 {
		c.t.Fatal("the footer ends early")
	}
	first := c.b[0]
	c.b = c.b[1:]
	return first
}

func (c *compact) uvarint() uint64 {
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.t.Fatal("malformed number in the footer")
	}
	c.b = c.b[n:]
	return v
}

func (c *compact) varint() int64 {
	u := c.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (c *compact) object() map[int]any {
	out := map[int]any{}
	id := 0
	for {
		head := c.byte()
		if head == 0 {
			return out
		}
		if delta := int(head >> 4); delta > 0 {
			id += delta
		} else {
			id = int(c.varint())
		}
		out[id] = c.value(head & 15)
	}
}

func (c *compact) value(kind byte) any {
	switch kind {
	case 1, 2: // a boolean field has no bytes
		return kind == 1
	case 3:
		return int64(int8(c.byte()))
	case 4, 5, 6:
		return c.varint()
	case 7:
		bits := binary.LittleEndian.Uint64(c.b)
		c.b = c.b[8:]
		return bits
	case 8:
		n := int(c.uvarint())
		text := string(c.b[:n])
		c.b = c.b[n:]
		return text
	case 9, 10:
		head := c.byte()
		n := uint64(head >> 4)
		if n == 15 {
			n = c.uvarint()
		}
		list := make([]any, n)
		for i := range list {
			if head&15 <= 2 {
				list[i] = c.byte() == 1
				continue
			}
			list[i] = c.value(head & 15)
		}
		return list
	case 12:
		return c.object()
	}
	c.t.Fatalf("unknown type %d in the footer", kind)
	return nil
}
