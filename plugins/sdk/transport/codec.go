package transport

import (
	"fmt"
	"sync"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// codec is gRPC's own for protobuf messages, but for its memory: a batch of
// rows is far smaller than the next larger buffer that gRPC's pool has, which
// is also cleared for each message.
type codec struct{ pool *buffers }

func newCodec() codec { return codec{&buffers{}} }

// Name is the name of gRPC's own: what is on the wire is the same.
func (codec) Name() string { return "proto" }

func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("a message is %T, which is none of protobuf", v)
	}
	buf := c.pool.Get(proto.Size(m))
	b, err := proto.MarshalOptions{UseCachedSize: true}.MarshalAppend((*buf)[:0], m)
	if err != nil {
		c.pool.Put(buf)
		return nil, err
	}
	*buf = b
	return mem.BufferSlice{mem.NewBuffer(buf, c.pool)}, nil
}

func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(proto.Message)
	if !ok {
		return fmt.Errorf("a message is %T, which is none of protobuf", v)
	}
	buf := data.MaterializeToBuffer(c.pool)
	defer buf.Free()
	return proto.Unmarshal(buf.ReadOnlyData(), m)
}

// buffers keeps the memory of batches, as it is: whoever takes a buffer fills
// all of it.
type buffers struct{ pool sync.Pool }

// Other buffers are not worth keeping, or too large to be kept.
const (
	smallestKept = 64 << 10
	largestKept  = 2 * BatchBytes
)

// Get gives a buffer of a length.
func (p *buffers) Get(length int) *[]byte {
	if length < smallestKept || length > largestKept {
		b := make([]byte, length)
		return &b
	}
	if buf, ok := p.pool.Get().(*[]byte); ok && cap(*buf) >= length {
		*buf = (*buf)[:length]
		return buf
	}
	b := make([]byte, length, length+length/8) // the next batch is about as large
	return &b
}

// Put takes a buffer back.
func (p *buffers) Put(buf *[]byte) {
	if n := cap(*buf); n >= smallestKept && n <= largestKept {
		p.pool.Put(buf)
	}
}
