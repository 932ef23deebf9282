// Package jsonl is threat_source "jsonl": every line of a JSON Lines file is a
// row, as it is. Files may be of any length: a line is in memory at a time.
//
// It maps nothing itself. The host applies the argument map to what it emits.
package jsonl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/autosafe/autosafe/plugins/builtin/internal/toolkit"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/schema"
)

// Name is the component's name, and the source in its rows' origin.
const Name = "jsonl"

// Config is the block's body.
type Config struct {
	Path    sdk.Files         `hcl:"path" doc:"JSON Lines: a file, a glob or a folder. Of several files only those named *.jsonl or *.ndjson, or so with .gz, are read, in order of name. Files packed with gzip are unpacked."`
	Map     map[string]string `hcl:"map,optional" flags:"row_map" doc:"Columns to make, each a CEL expression over record, the line's object. Without it the record's own keys are the columns; with \"*\" = \"record\" in it they are kept beside those made."`
	MaxRows *int              `hcl:"max_rows,optional" min:"1" doc:"Read at most this many rows in all."`
}

// Component describes and runs the source.
func Component() sdk.Component {
	return sdk.Source(run,
		sdk.Doc("The records of JSON Lines files, a row each. A record without an origin gets one: the file, and the record's place in it. A record with a name that stands twice in an object, or with half a surrogate pair in a text, fails as bad_row, with its file and line."),
		sdk.Behavior("2"),
		sdk.Deterministic(),
	)
}

func run(ctx context.Context, cfg Config, emit func(sdk.Record) error) error {
	files, err := toolkit.Expand(cfg.Path)
	if err != nil {
		return err
	}
	if files = candidates(files); len(files) == 0 {
		return errors.New("path: no file named *.jsonl or *.ndjson was found")
	}
	left := -1 // without bound
	if cfg.MaxRows != nil {
		left = *cfg.MaxRows
	}
	for _, f := range files {
		if left == 0 {
			return nil
		}
		if left, err = readFile(ctx, f, left, emit); err != nil {
			return err
		}
	}
	return nil
}

// candidates leaves the files of a folder that hold JSON Lines. A single file
// is taken whatever its name.
func candidates(files []schema.File) []schema.File {
	if len(files) <= 1 {
		return files
	}
	var out []schema.File
	for _, f := range files {
		name := strings.TrimSuffix(strings.ToLower(f.Name), ".gz")
		if strings.HasSuffix(name, ".jsonl") || strings.HasSuffix(name, ".ndjson") {
			out = append(out, f)
		}
	}
	return out
}

// readFile emits a file's records, at most left of them unless left is
// negative, and returns how many are left then.
func readFile(ctx context.Context, f schema.File, left int, emit func(sdk.Record) error) (int, error) {
	file, err := os.Open(f.Path)
	if err != nil {
		return left, fmt.Errorf("%s: %w", f.Name, toolkit.Cause(err))
	}
	defer file.Close()
	lines, err := newLines(file)
	if err != nil {
		return left, fmt.Errorf("%s: %w", f.Name, toolkit.Cause(err))
	}
	origin := originOf(f.Name)
	var s scanner
	for index := int64(0); left != 0; index++ {
		if index%1024 == 0 && ctx.Err() != nil {
			return left, ctx.Err()
		}
		line, err := lines.next()
		if err == io.EOF {
			return left, nil
		}
		ok, hasOrigin, odd := s.scan(line, "origin")
		if err == nil && !ok {
			err = fault(line)
		}
		if err != nil {
			return left, fmt.Errorf("%s:%d: %w", f.Name, lines.number, toolkit.Cause(err))
		}
		record := sdk.Record{}
		if odd == "" {
			record.Row = origin.add(line, hasOrigin, index)
		} else {
			record.Err = sdk.Fail("bad_row", fmt.Sprintf("%s:%d: %s", f.Name, lines.number, odd))
		}
		if err := emit(record); err != nil {
			return left, err
		}
		left--
	}
	return left, nil
}

// fault says what is wrong with a line that is no JSON object in UTF-8, and
// not blank.
func fault(line []byte) error {
	const advice = "each line must hold one JSON object"
	if line[0] == '{' && json.Valid(line) {
		return errors.New("the line is not UTF-8; convert the file")
	}
	var value json.RawMessage
	err := json.Unmarshal(line, &value)
	switch {
	case err == nil && line[0] == '[':
		return fmt.Errorf("the line is a JSON array; %s, so write the array's elements on lines of their own", advice)
	case err == nil:
		return fmt.Errorf("the line is JSON but no object; %s", advice)
	case strings.HasPrefix(err.Error(), "unexpected end") && (len(line) == 1 || line[0] == '['):
		return fmt.Errorf("the JSON does not end on its line; %s, so write it without line breaks", advice)
	}
	var syntax *json.SyntaxError
	at := ""
	if errors.As(err, &syntax) {
		at = fmt.Sprintf(" at byte %d of the line", syntax.Offset)
	}
	return fmt.Errorf("the line is not valid JSON: %w%s; %s", err, at, advice)
}

// origin is the text of the column "origin" up to the index, for one file.
type origin []byte

func originOf(file string) origin {
	name, _ := json.Marshal(file) // a string always marshals
	return fmt.Appendf(nil, `"origin":{"source":%q,"file":%s,"index":`, Name, name)
}

// add makes a record of a line, with an origin if it has none. The record is
// a copy: the line's memory is used again.
func (o origin) add(line []byte, hasOrigin bool, index int64) json.RawMessage {
	if hasOrigin {
		return bytes.Clone(line)
	}
	out := make([]byte, 0, len(line)+len(o)+24)
	head := bytes.TrimRight(line[:len(line)-1], " \t\r")
	out = append(out, head...)
	if len(head) > 1 {
		out = append(out, ',')
	}
	out = append(out, o...)
	out = strconv.AppendInt(out, index, 10)
	return append(out, "}}"...)
}
