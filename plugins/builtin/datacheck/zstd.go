package datacheck

import (
	"io"

	"github.com/klauspost/compress/zstd"
)

// newZstd reads what is compressed, in little memory.
func newZstd(in io.Reader) (io.ReadCloser, error) {
	z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(64<<20))
	if err != nil {
		return nil, err
	}
	return z.IOReadCloser(), nil
}
