package files

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
)

// Bounds of what is read. The files of outputs stay far below them, and so do
// those of other writers with their usual settings.
const (
	mostFooter  = 16 << 20
	mostColumns = 2000      // stored ones, and groups of them
	mostHeader  = 64 << 10  // of a page
	mostPage    = 128 << 20 // uncompressed
	mostValues  = 4 << 20   // of a page
	mostOpen    = 512 << 20 // of all columns of a row group that are read together

	oldDictionary = 2 // what old files call an encoding with a dictionary

	leastChunk = 24 // bytes that the footer spends on a column of a row group
)

// Fields of Parquet's metadata.
const (
	footerSchema, footerGroups = 2, 4
	groupColumns               = 1
)

// checkFooter looks at a file's footer before the library does.
func checkFooter(r io.ReaderAt, size int64) error {
	if size < 12 {
		return errors.New("it is too short")
	}
	var end [8]byte
	if _, err := r.ReadAt(end[:], size-8); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if string(end[4:]) != "PAR1" {
		return errors.New("it does not end as one")
	}
	n := int64(binary.LittleEndian.Uint32(end[:]))
	if n > size-12 || n > mostFooter {
		return fmt.Errorf("its footer has %d bytes", n)
	}
	footer := make([]byte, n)
	if _, err := r.ReadAt(footer, size-8-n); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	chunks := int64(0)
	length, err := readThrift(footer, func(path []int, v int64, list bool) error {
		switch {
		case !list:
		case slices.Equal(path, []int{footerSchema}) && v > mostColumns:
			return fmt.Errorf("it has %d columns", v)
		case slices.Equal(path, []int{footerGroups}), slices.Equal(path, []int{footerGroups, groupColumns}):
			if chunks += v; chunks*leastChunk > n {
				return errThrift
			}
		}
		return nil
	})
	if err == nil && length != len(footer) {
		err = errThrift
	}
	return err
}

// group looks at the pages of a row group before the library does: that
// they are where the footer says, hold what it says, and no more than can be
// held.
func (p *pageChecker) group(g format.RowGroup, leaves []leafLevels) error {
	if g.NumRows < 0 || len(g.Columns) != len(leaves) {
		return errThrift
	}
	open := int64(0)
	for i := range g.Columns {
		held, values, err := p.chunk(&g.Columns[i].MetaData)
		if err == nil && !leaves[i].repeated && values != g.NumRows {
			err = fmt.Errorf("it has %d values in %d rows", values, g.NumRows)
		}
		if err == nil {
			if open += held; open > mostOpen {
				err = fmt.Errorf("its pages and those before it are larger than %d MiB", mostOpen>>20)
			}
		}
		if err != nil {
			return fmt.Errorf("column %s: %w", leaves[i].path, err)
		}
	}
	return nil
}

type leafLevels struct {
	path     string
	repeated bool
}

// pageChecker checks pages. It holds a decoder and its memory.
type pageChecker struct {
	r    io.ReaderAt
	size int64
	zstd *zstd.Decoder
	in   []byte
}

// chunk goes over a column's pages and says how many values they have, and
// what is held of them at most.
func (p *pageChecker) chunk(m *format.ColumnMetaData) (held, values int64, err error) {
	start := m.DataPageOffset
	if m.DictionaryPageOffset != 0 {
		start = m.DictionaryPageOffset
	}
	if start < 4 || m.TotalCompressedSize < 0 || start > p.size || m.TotalCompressedSize > p.size-start || m.DataPageOffset < start {
		return 0, 0, errors.New("its place is not in the file")
	}
	in := bufio.NewReaderSize(io.NewSectionReader(p.r, start, m.TotalCompressedSize), mostHeader)
	dictionary, largest := int64(0), int64(0)
	for {
		head, err := in.Peek(mostHeader)
		if len(head) == 0 {
			if err != nil && !errors.Is(err, io.EOF) {
				return 0, 0, err
			}
			return dictionary + largest, values, nil
		}
		page, n, err := readPage(head)
		if err != nil {
			return 0, 0, err
		}
		if _, err := in.Discard(n); err != nil {
			return 0, 0, err
		}
		if err := p.body(in, m.Codec, page); err != nil {
			return 0, 0, err
		}
		const perValue = 8 // its levels and its place
		if format.PageType(page.kind) == format.DictionaryPage {
			dictionary += page.plain + perValue*page.values
			continue
		}
		values += page.values
		largest = max(largest, page.plain+page.stored+perValue*page.values)
	}
}

// page is what a page's header says.
type page struct {
	kind, encoding        int64
	plain, stored, values int64
	levels                int64 // bytes that are not compressed
	compressed            int64 // 0 or 1
}

// Fields of a page's header, and of what it holds for each kind of page.
const (
	pageKind, pagePlain, pageStored      = 1, 2, 3
	pageData, pageDictionary, pageDataV2 = 5, 7, 8
	dataValues, dataEncoding             = 1, 2
	v2Encoding, v2Definition             = 4, 5
	v2Repetition, v2Compressed           = 6, 7
)

// field is where a field of the header goes; nil if it says nothing of use.
func (p *page) field(path []int) *int64 {
	if len(path) == 1 {
		switch path[0] {
		case pageKind:
			return &p.kind
		case pagePlain:
			return &p.plain
		case pageStored:
			return &p.stored
		}
	}
	if len(path) != 2 || path[0] != pageData && path[0] != pageDictionary && path[0] != pageDataV2 {
		return nil
	}
	v2 := path[0] == pageDataV2
	switch field := path[1]; {
	case field == dataValues:
		return &p.values
	case field == dataEncoding && !v2, field == v2Encoding && v2:
		return &p.encoding
	case v2 && (field == v2Definition || field == v2Repetition):
		return &p.levels
	case v2 && field == v2Compressed:
		return &p.compressed
	}
	return nil
}

// readPage reads the header that b begins with, and says how long it is.
func readPage(b []byte) (page, int, error) {
	p := page{compressed: -1}
	n, err := readThrift(b, func(path []int, v int64, list bool) error {
		to := p.field(path)
		switch {
		case to == nil:
			return nil
		case v < 0 || list:
			return errThrift
		case to == &p.values || to == &p.levels: // a header of two kinds says twice as much
			*to += v
		default:
			*to = v
		}
		return nil
	})
	switch kind := format.PageType(p.kind); {
	case err != nil:
		return p, n, err
	case kind != format.DataPage && kind != format.DataPageV2 && kind != format.DictionaryPage:
		return p, n, fmt.Errorf("it has a page of kind %d", p.kind)
	case p.plain > mostPage || p.stored > mostPage || p.values > mostValues || p.levels > min(p.plain, p.stored):
		return p, n, fmt.Errorf("it has a page of %d bytes and %d values", p.plain, p.values)
	}
	switch e := format.Encoding(p.encoding); e {
	case format.Plain, oldDictionary, format.RLE, format.RLEDictionary:
		return p, n, nil
	default:
		return p, n, fmt.Errorf("it is encoded as %s, which is not read here", e)
	}
}

// body goes past a page's content and sees that it is as large, uncompressed,
// as its header says. Decoders of the library have no such bound.
func (p *pageChecker) body(in *bufio.Reader, codec format.CompressionCodec, pg page) error {
	plain := codec == format.Uncompressed || pg.compressed == 0
	if plain && pg.plain != pg.stored {
		return errThrift
	}
	p.in = slices.Grow(p.in[:0], int(pg.stored))[:pg.stored]
	if _, err := io.ReadFull(in, p.in); err != nil {
		return fmt.Errorf("it ends within a page: %w", err)
	}
	content, want := p.in[pg.levels:], pg.plain-pg.levels
	if plain || want == 0 && len(content) == 0 {
		return nil
	}
	got, err := p.decoded(codec, content, want)
	if err == nil && got != want {
		err = fmt.Errorf("%d bytes where %d were said to be", got, want)
	}
	if err != nil {
		return fmt.Errorf("a page cannot be decompressed: %w", err)
	}
	return nil
}

// decoded is how long content is when decompressed; it stops after want.
func (p *pageChecker) decoded(codec format.CompressionCodec, content []byte, want int64) (int64, error) {
	switch codec {
	case format.Snappy:
		n, err := snappy.DecodedLen(content)
		return int64(n), err
	case format.Gzip:
		z, err := gzip.NewReader(&sliceReader{content})
		if err != nil {
			return 0, err
		}
		return io.Copy(io.Discard, io.LimitReader(z, want+1))
	case format.Zstd:
		if p.zstd == nil {
			z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(mostPage+1))
			if err != nil {
				return 0, err
			}
			p.zstd = z
		}
		if err := p.zstd.Reset(&sliceReader{content}); err != nil {
			return 0, err
		}
		return io.Copy(io.Discard, io.LimitReader(p.zstd, want+1))
	}
	return 0, fmt.Errorf("%s is not read here", codec)
}

func (p *pageChecker) close() {
	if p.zstd != nil {
		p.zstd.Close()
	}
}

// sliceReader reads a slice. It is no bytes.Reader, of which decoders know
// that they may keep its memory.
type sliceReader struct{ b []byte }

func (r *sliceReader) Read(to []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(to, r.b)
	r.b = r.b[n:]
	return n, nil
}
