package llm

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/autosafe/autosafe/spec"
)

// BatchStore keeps notes on batches, apart from answers. A batch that was sent
// and is forgotten would be paid for again.
type BatchStore interface {
	// GetBatch gives the newest value that any process has put durably. An
	// empty value counts as none.
	GetBatch(key [32]byte) (value []byte, ok bool, err error)
	// PutBatch stores a value. A durable one, and all that were put before it,
	// survive a crash once it returns.
	PutBatch(key [32]byte, value []byte, durable bool) error
	// Claim is that of Store.
	Claim(ctx context.Context, key [32]byte) (release func(), err error)
}

// batchID is the name that we give a batch. It stands in the batch's metadata
// at the endpoint, and is the key of its note.
type batchID [32]byte

func newBatchID() (id batchID) {
	_, _ = rand.Read(id[:]) // it never fails
	return id
}

func (id batchID) String() string { return hex.EncodeToString(id[:]) }

func parseBatchID(s string) (id batchID, ok bool) {
	n, err := hex.Decode(id[:], []byte(s[:min(len(s), 2*len(id))]))
	return id, err == nil && n == len(id) && len(s) == 2*len(id)
}

// batchFormat names the stored form of a note.
const batchFormat = "autosafe.batch/1"

// How far a batch has come. Each is durable before the next is begun, so that
// whatever a crash leaves behind is known to have been made or not, or can be
// asked for.
const (
	phasePrepared = "prepared" // it is written down; it was not made
	phaseUploaded = "uploaded" // its file is at the endpoint; it may have been made
	phaseSent     = "sent"     // it was made, under the name BatchID
)

// batchNote is what is kept of a batch until it is settled: all its answers
// kept and nothing to be expected of it. Then the note is withdrawn.
type batchNote struct {
	Format   string    `json:"format"`
	ID       string    `json:"id"` // ours
	Phase    string    `json:"phase"`
	Identity string    `json:"identity"` // of the endpoint, see identityOf
	Endpoint string    `json:"endpoint"` // for people
	Provider string    `json:"provider"` // label of its block
	Label    string    `json:"label"`    // of the model's block
	Model    string    `json:"model"`    // the endpoint's name for it
	URL      string    `json:"url"`      // of each request
	Requests int       `json:"requests"`
	Bytes    int64     `json:"bytes"` // of the file
	Chunks   int       `json:"chunks"`
	Created  time.Time `json:"created"`
	FileID   string    `json:"file_id,omitempty"`
	BatchID  string    `json:"batch_id,omitempty"`

	// What the endpoint last said of it.
	Status string    `json:"status,omitempty"`
	Done   int       `json:"done,omitempty"`
	Failed int       `json:"failed,omitempty"`
	Seen   time.Time `json:"seen,omitzero"`
}

// identityOf stands for an endpoint in notes: a digest, as its address might
// hold what is nobody's business.
func identityOf(p *spec.Provider) string {
	return batchID(derived("autosafe.batch.endpoint/1", []byte(p.Identity()))).String()
}

// notebook keeps the notes on batches. A batch has a note, chunks that hold
// its requests, and for each request a mark under the call's key. A list names
// the batches that are not settled.
type notebook struct {
	store BatchStore
	mu    sync.Mutex // of the list
}

// newNotebook keeps notes in a store, or without one in memory.
func newNotebook(s BatchStore) *notebook {
	if s == nil {
		s = &memoryNotes{notes: map[[32]byte][]byte{}}
	}
	return &notebook{store: s}
}

// memoryNotes are notes that end with the process.
type memoryNotes struct {
	mu    sync.Mutex
	notes map[[32]byte][]byte
}

// Claim implements BatchStore.
func (m *memoryNotes) Claim(context.Context, [32]byte) (func(), error) { return func() {}, nil }

// GetBatch implements BatchStore.
func (m *memoryNotes) GetBatch(key [32]byte) ([]byte, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.notes[key]
	return v, ok, nil
}

// PutBatch implements BatchStore.
func (m *memoryNotes) PutBatch(key [32]byte, value []byte, _ bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.notes[key] = value
	return nil
}

func markKey(call [32]byte) [32]byte { return derived("autosafe.batch.call/1", call[:]) }
func listKey() [32]byte              { return derived("autosafe.batch.list/1", nil) }

func chunkKey(id batchID, n int) [32]byte {
	return derived("autosafe.batch.chunk/1", binary.BigEndian.AppendUint64(slices.Clone(id[:]), uint64(n)))
}

func derived(kind string, b []byte) [32]byte {
	return sha256.Sum256(append([]byte(kind+"\x00"), b...))
}

// pending is the batch that a call was put into last; whether that is settled
// is another matter.
func (n *notebook) pending(call [32]byte) (batchID, bool) {
	v, ok, err := n.store.GetBatch(markKey(call))
	if err != nil || !ok || len(v) != len(batchID{}) {
		return batchID{}, false
	}
	return batchID(v), true
}

// note reads a batch's note; nil if it is settled, or nothing is known of it.
func (n *notebook) note(id batchID) (*batchNote, error) {
	v, ok, err := n.store.GetBatch(id)
	if err != nil || !ok || len(v) == 0 {
		return nil, err
	}
	var note batchNote
	if err := json.Unmarshal(v, &note); err != nil || note.Format != batchFormat || note.ID != id.String() {
		return nil, nil
	}
	return &note, nil
}

// save makes a note durable, and all that was put before it.
func (n *notebook) save(id batchID, note *batchNote) error {
	b, err := compact(note)
	if err != nil {
		return err
	}
	return n.store.PutBatch(id, b, true)
}

// prepare writes a batch down: its requests, a mark for each of them, and the
// note, which makes all of it durable.
func (n *notebook) prepare(ctx context.Context, id batchID, note *batchNote, calls []*batchCall) (where map[[32]byte]int, err error) {
	where = make(map[[32]byte]int, len(calls))
	var chunk bytes.Buffer
	flush := func() error {
		if chunk.Len() == 0 {
			return nil
		}
		err := n.store.PutBatch(chunkKey(id, note.Chunks), bytes.Clone(chunk.Bytes()), false)
		note.Chunks++
		chunk.Reset()
		return err
	}
	for _, c := range calls {
		item := c.item()
		if err := item.write(&chunk); err != nil {
			return nil, err
		}
		where[c.key] = note.Chunks
		note.Requests++
		note.Bytes += item.lineLen(note.URL)
		if err := n.store.PutBatch(markKey(c.key), id[:], false); err != nil {
			return nil, err
		}
		if chunk.Len() >= chunkBytes {
			if err := flush(); err != nil {
				return nil, err
			}
		}
	}
	if err := flush(); err != nil {
		return nil, err
	}
	note.Phase = phasePrepared
	n.list(ctx, func(ids []string) []string { return append(ids, id.String()) })
	return where, n.save(id, note)
}

// settle withdraws a batch: its chunks, its marks, and at last its note.
func (n *notebook) settle(ctx context.Context, id batchID, note *batchNote) error {
	for i := range note.Chunks {
		items, _ := n.chunk(id, i) // marks that are left lead nowhere once the note is gone
		for _, item := range items {
			if err := n.store.PutBatch(markKey(item.key), nil, false); err != nil {
				return err
			}
		}
		if err := n.store.PutBatch(chunkKey(id, i), nil, false); err != nil {
			return err
		}
	}
	if err := n.store.PutBatch(id, nil, true); err != nil {
		return err
	}
	n.list(ctx, func(ids []string) []string {
		return slices.DeleteFunc(ids, func(s string) bool { return s == id.String() })
	})
	return nil
}

// open lists the batches that are not settled.
func (n *notebook) open() (ids []batchID) {
	for _, s := range n.listed() {
		if id, ok := parseBatchID(s); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

func (n *notebook) listed() (ids []string) {
	if v, ok, err := n.store.GetBatch(listKey()); err == nil && ok && len(v) > 0 {
		_ = json.Unmarshal(v, &ids) // one that cannot be read lists none
	}
	return ids
}

// list changes the list. It serves commands alone: what builds rest on are the
// marks. So trouble with it is no reason to stop.
func (n *notebook) list(ctx context.Context, change func([]string) []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if release, err := n.store.Claim(ctx, listKey()); err == nil {
		defer release()
	}
	if b, err := json.Marshal(change(n.listed())); err == nil {
		_ = n.store.PutBatch(listKey(), b, true)
	}
}

// chunkBytes is about how many bytes of requests are kept in one piece.
const chunkBytes = 256 << 10

// batchItem is one request of a batch, as it is kept.
type batchItem struct {
	key  [32]byte
	body []byte
	head itemHead
}

// itemHead is what stands before a request in a chunk.
type itemHead struct {
	Key        string `json:"key"`
	Purpose    string `json:"purpose,omitempty"`
	Sample     int    `json:"sample,omitempty"`
	Generation int    `json:"generation,omitempty"`
	Refresh    uint64 `json:"refresh,omitempty"` // see Record
	// Keyed is the request as it is in the call's key, if it is not sent so.
	Keyed json.RawMessage `json:"keyed,omitempty"`
	// Tries is how often it stood in a batch that gave no answer.
	Tries int `json:"tries,omitempty"`
}

// write appends the item to a chunk: a line for its head, and one for its body.
func (i *batchItem) write(w *bytes.Buffer) error {
	head, err := compact(i.head)
	if err != nil {
		return err
	}
	w.Write(head)
	w.WriteByte('\n')
	w.Write(i.body)
	w.WriteByte('\n')
	return nil
}

// The line of a request in a batch's file.
const (
	lineHead = `{"custom_id":"%x","method":"POST","url":%q,"body":`
	lineTail = "}\n"
)

func (i *batchItem) lineLen(url string) int64 {
	return int64(len(fmt.Sprintf(lineHead, i.key, url)) + len(i.body) + len(lineTail))
}

// chunk reads a piece of a batch's requests.
func (n *notebook) chunk(id batchID, at int) ([]batchItem, error) {
	v, ok, err := n.store.GetBatch(chunkKey(id, at))
	if err == nil && (!ok || len(v) == 0) {
		err = errors.New("requests of a batch are not in the cache any more")
	}
	if err != nil {
		return nil, err
	}
	var items []batchItem
	for len(v) > 0 {
		head, rest, ok := bytes.Cut(v, []byte("\n"))
		body, rest, ok2 := bytes.Cut(rest, []byte("\n"))
		item := batchItem{body: body}
		if !ok || !ok2 || json.Unmarshal(head, &item.head) != nil {
			return nil, errors.New("requests of a batch cannot be read")
		}
		k, ok := parseBatchID(item.head.Key)
		if !ok {
			return nil, errors.New("requests of a batch cannot be read")
		}
		item.key = k
		items = append(items, item)
		v = rest
	}
	return items, nil
}

// file gives the batch's file, line by line out of the chunks.
func (n *notebook) file(id batchID, note *batchNote) io.Reader {
	return &fileReader{book: n, id: id, note: note}
}

// fileReader holds one chunk at a time.
type fileReader struct {
	book *notebook
	id   batchID
	note *batchNote
	next int
	buf  bytes.Buffer
}

// Read implements io.Reader.
func (f *fileReader) Read(p []byte) (int, error) {
	for f.buf.Len() == 0 {
		if f.next == f.note.Chunks {
			return 0, io.EOF
		}
		items, err := f.book.chunk(f.id, f.next)
		if err != nil {
			return 0, err
		}
		f.next++
		for i := range items {
			fmt.Fprintf(&f.buf, lineHead, items[i].key, f.note.URL)
			f.buf.Write(items[i].body)
			f.buf.WriteString(lineTail)
		}
	}
	return f.buf.Read(p)
}
