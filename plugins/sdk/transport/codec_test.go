package transport

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// TestCodec holds the codec to gRPC's own: either end may be a plugin that
// was built without this one. Sizes go up and down, so that buffers are taken
// again for messages of another length, by several goroutines at a time.
func TestCodec(t *testing.T) {
	own := newCodec()
	theirs := encoding.GetCodecV2(own.Name())
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i, size := range []int{0, 1, smallestKept, 300_000, smallestKept + 1, 200_000, largestKept, largestKept + 1, 5} {
				want := wrapperspb.Bytes(bytes.Repeat([]byte{byte(g*16 + i)}, size))
				if err := exchange(own, theirs, want); err != nil {
					t.Errorf("%d bytes, from own to gRPC's: %v", size, err)
				}
				if err := exchange(theirs, own, want); err != nil {
					t.Errorf("%d bytes, from gRPC's to own: %v", size, err)
				}
			}
		})
	}
	wg.Wait()
}

// exchange sends a message in pieces, as it comes from a connection.
func exchange(from, to encoding.CodecV2, want *wrapperspb.BytesValue) error {
	out, err := from.Marshal(want)
	if err != nil {
		return err
	}
	var in mem.BufferSlice
	for rest := out.Materialize(); len(rest) > 0; {
		n := min(len(rest), 16<<10)
		in, rest = append(in, mem.SliceBuffer(rest[:n])), rest[n:]
	}
	out.Free()
	got := &wrapperspb.BytesValue{}
	if err := to.Unmarshal(in, got); err != nil {
		return err
	}
	in.Free()
	if !proto.Equal(got, want) {
		return fmt.Errorf("got %d bytes, or others than were sent", len(got.GetValue()))
	}
	return nil
}

func TestCodecErrors(t *testing.T) {
	c := newCodec()
	if _, err := c.Marshal("text"); err == nil {
		t.Error("text was sent")
	}
	if err := c.Unmarshal(nil, "text"); err == nil {
		t.Error("text was received")
	}
	if _, err := c.Marshal(structpb.NewStringValue("\xff")); err == nil {
		t.Error("a string that is not UTF-8 was sent")
	}
	if err := c.Unmarshal(mem.BufferSlice{mem.SliceBuffer{0xff}}, &structpb.Value{}); err == nil {
		t.Error("a message cut short was received")
	}
}
