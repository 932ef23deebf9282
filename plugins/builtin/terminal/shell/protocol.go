package shell

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// The parent asks and the child answers, one at a time: each message is four bytes
// that say how long it is, and so much JSON.

const maxMessage = 1 << 30

type request struct {
	// Start, Run and Restore: just one is set.
	Start   *Options `json:"start,omitempty"`
	Run     *string  `json:"run,omitempty"`
	Millis  int64    `json:"millis,omitempty"` // that Run may take
	Restore *State   `json:"restore,omitempty"`
}

type response struct {
	Error  string `json:"error,omitempty"`
	Result Result `json:"result"`
	Delta  delta  `json:"delta"`
	Busy   bool   `json:"busy,omitempty"` // something still runs: the child is of no more use for others
}

func send(w io.Writer, message any) error {
	data, err := json.Marshal(message)
	if err != nil {
		return err
	}
	if len(data) > maxMessage {
		return fmt.Errorf("a message of %d bytes is too long", len(data))
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(data))), data...))
	return err
}

func receive(r io.Reader, message any) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size > maxMessage {
		return fmt.Errorf("a message of %d bytes is too long", size)
	}
	data, err := io.ReadAll(io.LimitReader(r, int64(size)))
	if err != nil {
		return err
	}
	if len(data) < int(size) {
		return io.ErrUnexpectedEOF
	}
	return json.Unmarshal(data, message)
}
