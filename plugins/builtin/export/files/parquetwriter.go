package files

import (
	"fmt"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"

	"github.com/autosafe/autosafe/plugins/sdk"
)

// parquetWriter writes Parquet files.
type parquetWriter struct {
	out    *sdk.Dir
	config Config
	format string
	table  *table
	codec  compress.Codec
	groups *ordered[*group]
	splits map[string]*parquetSplit
	order  []*parquetSplit
}

// parquetSplit is a split, and the file and row group that are being written
// of it.
type parquetSplit struct {
	shards
	file   *parquetFile // nil if the next line begins one
	rows   int          // in file, with those of the group
	groups int          // of file that were handed on
	lines  [][]byte     // of the group so far
	bytes  int
}

// group is a row group on its way to its file.
type group struct {
	split  *parquetSplit
	file   *parquetFile
	lines  [][]byte
	writer *parquet.ConcurrentRowGroupWriter
	last   bool // of the file
}

// groupsUnderWay bounds the JSON of all row groups under way.
const groupsUnderWay = 4 * groupBytes

func newParquetWriter(out *sdk.Dir, config Config, format Format) (*parquetWriter, error) {
	t, err := newTable(format)
	if err != nil {
		return nil, err
	}
	w := &parquetWriter{out: out, config: config, format: format.Name, table: t, codec: codecOf(config.Compression), splits: map[string]*parquetSplit{}}
	w.groups = &ordered[*group]{bytes: groupsUnderWay, take: (*group).commit}
	return w, nil
}

func codecOf(compression string) compress.Codec {
	switch compression {
	case "none":
		return &parquet.Uncompressed
	case "gzip":
		return &parquet.Gzip
	case "snappy":
		return &parquet.Snappy
	}
	return &parquet.Zstd
}

func (w *parquetWriter) put(split string, line []byte) error {
	s := w.splits[split]
	if s == nil {
		s = &parquetSplit{shards: shards{out: w.out, split: split, numbered: true, ending: ".parquet", media: ParquetType}}
		w.splits[split], w.order = s, append(w.order, s)
	}
	if s.file == nil {
		f, err := s.create()
		if err != nil {
			return err
		}
		if s.file, err = newParquetFile(w.table, f, w.format, w.codec); err != nil {
			return err
		}
		s.rows, s.groups = 0, 0
	}
	s.lines = append(s.lines, line)
	s.bytes += len(line)
	s.rows++
	if full := s.rows == w.config.ShardRows; full || len(s.lines) == groupRows || s.bytes >= groupBytes {
		return w.hand(s, full || s.groups+1 == mostGroups)
	}
	return nil
}

// hand hands a row group on.
func (w *parquetWriter) hand(s *parquetSplit, last bool) error {
	g := &group{split: s, file: s.file, lines: s.lines, writer: s.file.begin(), last: last}
	bytes := s.bytes
	s.lines, s.bytes = nil, 0
	if s.groups++; last {
		s.file = nil
	}
	return w.groups.add(bytes, func() (*group, error) {
		if err := w.table.fill(g.writer, g.lines); err != nil {
			return nil, fmt.Errorf("split %s: %w", s.split, err)
		}
		return g, nil
	})
}

func (g *group) commit() error {
	err := g.file.commit(g.writer, len(g.lines))
	if err == nil && g.last {
		err = g.file.close()
	}
	if err != nil {
		return fmt.Errorf("writing split %s: %w", g.split.split, err)
	}
	return nil
}

func (w *parquetWriter) close() error {
	for _, s := range w.order {
		if len(s.lines) > 0 {
			if err := w.hand(s, true); err != nil {
				return err
			}
		}
	}
	if err := w.groups.drain(); err != nil {
		return err
	}
	for _, s := range w.order {
		if s.file != nil { // its last row group was full
			if err := s.file.close(); err != nil {
				return fmt.Errorf("writing split %s: %w", s.split, err)
			}
		}
		if err := s.rename(); err != nil {
			return err
		}
	}
	return nil
}

func (w *parquetWriter) abandon() { w.groups.abandon() }
