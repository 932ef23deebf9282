package cache

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// childEnv makes the test binary play another process.
const childEnv = "AUTOSAFE_CACHE_TEST_CHILD"

func TestMain(m *testing.M) {
	mode := os.Getenv(childEnv)
	if mode == "" {
		os.Exit(m.Run())
	}
	if err := child(mode, os.Args[1], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// child is what the other process does with the cache in dir.
func child(mode, dir string, out io.Writer) error {
	s, err := Open(dir, Options{segmentSize: 1 << 20})
	if err != nil {
		return err
	}
	switch mode {
	case "make": // each of 40 records once, however many children there are
		return childMake(s, out)
	case "hold": // a claim, until killed
		if _, err := s.Claim(context.Background(), Calls, keyOf("held", 0)); err != nil {
			return err
		}
		fmt.Fprintln(out, "held")
		time.Sleep(time.Hour) // until killed
		return s.Close()
	case "collect": // until killed
		return childCollect(dir, out)
	case "export": // until killed
		for {
			if _, err := s.ExportFile(context.Background(), filepath.Join(dir, "bundle"), allRefs(s)); err != nil {
				return err
			}
			fmt.Fprintln(out, "done")
		}
	case "put": // 500 records that the parent knows how to predict
		for i := range 500 {
			if err := s.Put(Rows, keyOf("child", i), valueOf("child", i)); err != nil {
				return err
			}
		}
		return s.Close()
	case "flood": // until killed: say each durable record
		var mu sync.Mutex
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := g; ; i += 8 {
					if err := s.PutDurable(Calls, keyOf("flood", i), valueOf("flood", i)); err != nil {
						return
					}
					mu.Lock()
					fmt.Fprintln(out, i)
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		return fmt.Errorf("the flood ended")
	}
	return fmt.Errorf("no mode %q", mode)
}

func childCommand(t testing.TB, mode, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], dir)
	cmd.Env = append(os.Environ(), childEnv+"="+mode)
	cmd.Stderr = os.Stderr
	return cmd
}

func keyOf(what string, i int) Digest { return Sum(fmt.Appendf(nil, "%s %d", what, i)) }

// valueOf is a value of 0 to 4 KB that follows from what and i.
func valueOf(what string, i int) []byte {
	d := keyOf(what, i)
	r := rand.New(rand.NewPCG(binary.LittleEndian.Uint64(d[:]), 1))
	return text(r, r.IntN(4096))
}

// text is n bytes of random words, about as hard to compress as JSON.
func text(r *rand.Rand, n int) []byte {
	b := make([]byte, 0, n+17)
	for len(b) < n {
		b = strconv.AppendUint(b, r.Uint64()>>(8*r.IntN(8)), 16)
		b = append(b, ' ')
	}
	return b[:n]
}

func open(t testing.TB, dir string, opts Options) *Store {
	t.Helper()
	s, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func closeStore(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// patience is how long a test waits for what must come. It bounds a hang and
// measures nothing.
const patience = 3 * time.Minute

// eventually waits for a condition.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for begun := time.Now(); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Since(begun) > patience {
			t.Fatal(what)
		}
	}
}

// notes collects what a store says of damage.
type notes struct {
	mu  sync.Mutex
	all []string
}

func (n *notes) add(kind, what string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, kind+": "+what)
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.all, "\n")
}
