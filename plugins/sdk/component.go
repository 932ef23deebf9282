package sdk

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"sync"

	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
	"github.com/autosafe/autosafe/spec/schema"
)

// instance is a component with its configuration, ready to run. One of the
// functions is set.
type instance struct {
	source func(ctx context.Context, emit emitFunc) error
	rows   func(ctx context.Context, in []byte, call *Call) ([][]byte, error)
	sink   func(ctx context.Context, rows *RowReader, out *Dir) error
	all    func(ctx context.Context, tasks []*pluginpb.Task, call func(*pluginpb.Task) *Call) ([]*pluginpb.Result, error)
	tune   func(ctx context.Context, job *Job) (*Tuned, error)
}

// emitFunc takes a source's next row, or the error that stands in its place.
type emitFunc func(row []byte, failed error) error

// Record is what a source emits that reads records of others' making, whose
// columns may be any: a row, or why there is none.
type Record struct {
	// Row is a JSON object that is written already, whose memory is emit's.
	Row json.RawMessage
	// Err, if set, fails or drops this row, and the source goes on: Fail, Drop.
	Err error
}

// Source makes a threat source: fn calls emit for each row, in a stable
// order. emit blocks while the host is busy and fails when the run ends. C is
// the configuration, O a row's columns, or, for any columns, map[string]any,
// json.RawMessage (an object that is written already, whose memory is emit's)
// or Record.
func Source[C, O any](fn func(ctx context.Context, cfg C, emit func(O) error) error, opts ...Option) Component {
	return build[C](sourceShape, nil, reflect.TypeFor[O](), opts, func(cfg C) instance {
		return instance{source: func(ctx context.Context, emit emitFunc) error {
			return fn(ctx, cfg, func(o O) error {
				if r, ok := any(o).(Record); ok && r.Err != nil {
					return emit(nil, r.Err)
				}
				row, err := encodeRow(o)
				if err != nil {
					return err
				}
				return emit(row, nil)
			})
		}}
	})
}

// Rows makes a component that works on one row at a time: a simulator, a
// reflector, a judge or an evaluation. fn is called for many rows at once and returns the
// columns it writes: one row as a rule, several to multiply it. I are the
// columns it reads. Return Drop to leave a row out and Fail to fail it.
func Rows[C, I, O any](fn func(ctx context.Context, cfg C, in I, call *Call) ([]O, error), opts ...Option) Component {
	return build[C](rowsShape, reflect.TypeFor[I](), reflect.TypeFor[O](), opts, func(cfg C) instance {
		return instance{rows: func(ctx context.Context, in []byte, call *Call) ([][]byte, error) {
			var row I
			if err := json.Unmarshal(in, &row); err != nil {
				return nil, Fail("bad_row", err.Error())
			}
			list, err := fn(ctx, cfg, row, call)
			if err != nil {
				return nil, err
			}
			out := make([][]byte, len(list))
			for i, o := range list {
				if out[i], err = encodeRow(o); err != nil {
					return nil, err
				}
			}
			return out, nil
		}}
	})
}

// Sink makes an output: fn reads the rows to their end and writes files below
// out. Rows come in order, those of different splits interleaved.
func Sink[C any](fn func(ctx context.Context, cfg C, rows *RowReader, out *Dir) error, opts ...Option) Component {
	opts = append([]Option{ReadsAll()}, opts...)
	return build[C](sinkShape, nil, nil, opts, func(cfg C) instance {
		return instance{sink: func(ctx context.Context, rows *RowReader, out *Dir) error {
			return fn(ctx, cfg, rows, out)
		}}
	})
}

// build makes a component that is described when it is first asked for.
func build[C any](s shape, in, out reflect.Type, opts []Option, bind func(C) instance) Component {
	return Component{shape: s, make: sync.OnceValue(func() Component { return describe(s, in, out, opts, bind) })}
}

// describe makes the description from the types and the options.
func describe[C any](s shape, in, out reflect.Type, opts []Option, bind func(C) instance) Component {
	c := Component{shape: s}
	c.desc.Config, c.err = schema.BlockOf(reflect.TypeFor[C]())
	if in != nil {
		c.desc.Reads = schema.ColumnsOf(in)
	}
	if out == reflect.TypeFor[Record]() {
		out = reflect.TypeFor[json.RawMessage]()
	}
	if out != nil {
		c.desc.Writes = schema.ColumnsOf(out)
		for i := range c.desc.Writes {
			c.desc.Writes[i].Optional = false // is about columns read
		}
		c.desc.WritesOpen = out.Kind() == reflect.Map || out == reflect.TypeFor[json.RawMessage]()
		if c.err == nil && len(c.desc.Writes) == 0 && !c.desc.WritesOpen {
			c.err = fmt.Errorf("rows of type %s have no columns: a struct with json tags or map[string]any is needed", out)
		}
	}
	for _, o := range opts {
		o(&c)
	}
	c.open = func(desc schema.Component, config []byte) (instance, []schema.Diagnostic) {
		var cfg C
		diags := schema.DecodeBlock(desc.Config, config, &cfg)
		if v, ok := any(&cfg).(validator); ok && !hasErrors(diags) {
			var p Problems
			v.Validate(&p)
			diags = append(diags, p.diags...)
		}
		return bind(cfg), diags
	}
	return c
}

func hasErrors(diags []schema.Diagnostic) bool {
	for _, d := range diags {
		if !d.Warning {
			return true
		}
	}
	return false
}

// encodeRow writes a row as a JSON object.
func encodeRow(v any) ([]byte, error) {
	row, written := v.(json.RawMessage) // the host checks it, as it checks all
	if r, ok := v.(Record); ok {
		row, written = r.Row, true
	}
	if !written {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(v); err != nil {
			return nil, Fail("bad_row", err.Error())
		}
		row = bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	}
	if len(row) == 0 || row[0] != '{' {
		return nil, Fail("bad_row", "a row must be a JSON object")
	}
	return row, nil
}
