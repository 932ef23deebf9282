package vfs

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"
)

func newFS(limits Limits) (*FS, *[]string) {
	var full []string
	now := time.Date(2025, 3, 3, 9, 0, 0, 0, time.UTC)
	return New(limits, 1, func() time.Time { return now }, func(what string) { full = append(full, what) }), &full
}

func admin() Who { return Who{User: "root"} }

func TestPermissions(t *testing.T) {
	f, _ := newFS(Limits{Bytes: 1 << 20, Files: 100})
	for name, e := range map[string]Entry{
		"/pub":        {Kind: Dir, Mode: 0o755, Owner: "root", Group: "root"},
		"/pub/file":   {Kind: File, Mode: 0o644, Owner: "root", Group: "root"},
		"/pub/secret": {Kind: File, Mode: 0o600, Owner: "root", Group: "root"},
		"/pub/team":   {Kind: File, Mode: 0o660, Owner: "root", Group: "team"},
		"/tmp":        {Kind: Dir, Mode: 0o1777, Owner: "root", Group: "root"},
		"/tmp/hers":   {Kind: File, Mode: 0o666, Owner: "eve", Group: "eve"},
		"/closed":     {Kind: Dir, Mode: 0o700, Owner: "root", Group: "root"},
		"/closed/in":  {Kind: File, Mode: 0o777, Owner: "root", Group: "root"},
	} {
		f.Put(name, e)
	}
	ann := Who{User: "ann", Groups: []string{"ann", "team"}}
	cases := []struct {
		what string
		err  error
		want error
	}{
		{"read a file of all", f.Access(ann, "/pub/file", 4), nil},
		{"write it", f.Access(ann, "/pub/file", 2), syscall.EACCES},
		{"read a secret", f.Access(ann, "/pub/secret", 4), syscall.EACCES},
		{"write a file of a group", f.Access(ann, "/pub/team", 2), nil},
		{"look into a closed folder", f.Access(ann, "/closed/in", 4), syscall.EACCES},
		{"leave it by ..", f.Access(ann, "/pub/../closed/in", 4), syscall.EACCES},
		{"remove from a folder of others", f.Remove(ann, "/pub/file", false), syscall.EACCES},
		{"remove hers from a sticky folder", f.Remove(ann, "/tmp/hers", false), syscall.EPERM},
		{"rename hers", f.Rename(ann, "/tmp/hers", "/tmp/mine"), syscall.EPERM},
		{"make a folder there", f.Mkdir(ann, "/tmp/d", 0o755), nil},
		{"make one elsewhere", f.Mkdir(ann, "/pub/d", 0o755), syscall.EACCES},
		{"make one twice", f.Mkdir(ann, "/tmp/d", 0o755), syscall.EEXIST},
		{"give a file away", f.Chown(ann, "/tmp/d", "eve", "", true), syscall.EPERM},
		{"give it to a group of mine", f.Chown(ann, "/tmp/d", "", "team", true), nil},
		{"change a mode of others", f.Chmod(ann, "/pub/file", 0o777), syscall.EPERM},
		{"be root", f.Access(admin(), "/closed/in", 6), nil},
		{"execute as root what nobody may", f.Access(admin(), "/pub/file", 1), syscall.EACCES},
		{"move a folder into itself", f.Rename(admin(), "/pub", "/pub/x"), syscall.EINVAL},
		{"remove a full folder", f.Remove(admin(), "/pub", true), syscall.ENOTEMPTY},
		{"remove the root", f.Remove(admin(), "/", true), syscall.EBUSY},
		{"go through a file", f.Access(admin(), "/pub/file/x", 4), syscall.ENOTDIR},
		{"a long name", f.Mkdir(admin(), "/"+strings.Repeat("x", 256), 0o755), syscall.ENAMETOOLONG},
		{"a long path", f.Mkdir(admin(), strings.Repeat("/x", 3000), 0o755), syscall.ENAMETOOLONG},
	}
	for _, c := range cases {
		if !errors.Is(c.err, c.want) || c.want == nil && c.err != nil {
			t.Errorf("%s: %v, want %v", c.what, c.err, c.want)
		}
	}
}

func TestLinks(t *testing.T) {
	f, _ := newFS(Limits{Bytes: 1 << 20, Files: 100})
	steps := []error{
		f.Mkdir(admin(), "/d", 0o755), f.WriteFile(admin(), "/d/f", []byte("x"), 0o644), f.Symlink(admin(), "d", "/l"), f.Symlink(admin(), "../d/f", "/d/up"),
		f.Symlink(admin(), "/loop", "/loop"), f.Symlink(admin(), "nowhere", "/dead"), f.Hardlink(admin(), "/d/f", "/hard"), f.WriteFile(admin(), "/dead", []byte("made"), 0o644),
	}
	if err := errors.Join(steps...); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"/l/f": "x", "/d/up": "x", "/l/up": "x", "/hard": "x", "/nowhere": "made", "/l/../hard": "x", "/d/./../d//f": "x"} {
		if data, err := f.ReadFile(admin(), name); err != nil || string(data) != want {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
	if _, err := f.ReadFile(admin(), "/loop/x"); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("a loop: %v", err)
	}
	if real, err := f.Real(admin(), "/l/up", true); err != nil || real != "/d/f" {
		t.Errorf("the real path is %q, %v", real, err)
	}
	if err := f.Remove(admin(), "/d/f", false); err != nil {
		t.Fatal(err)
	}
	if data, err := f.ReadFile(admin(), "/hard"); err != nil || string(data) != "x" {
		t.Errorf("the other name: %q, %v", data, err)
	}
}

func TestRoom(t *testing.T) {
	f, full := newFS(Limits{Bytes: 10, Files: 4})
	if err := f.WriteFile(admin(), "/a", []byte("123456789012"), 0o644); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("too much: %v", err)
	}
	if data, err := f.ReadFile(admin(), "/a"); err != nil || string(data) != "1234567890" {
		t.Errorf("what there was room for: %q, %v", data, err)
	}
	if err := f.WriteFile(admin(), "/a", []byte("1"), 0o644); err != nil {
		t.Errorf("after it was emptied: %v", err)
	}
	for i := range 3 {
		if err := f.Mkdir(admin(), fmt.Sprint("/d", i), 0o755); (err != nil) != (i == 2) {
			t.Errorf("folder %d: %v", i, err)
		}
	}
	if want := []string{"disk", "files"}; !reflect.DeepEqual(*full, want) {
		t.Errorf("told of %q, want %q", *full, want)
	}
}

func TestDevices(t *testing.T) {
	f, _ := newFS(Limits{Bytes: 10, Files: 10})
	for _, name := range []string{"null", "zero", "urandom", "full"} {
		f.Put("/dev/"+name, Entry{Kind: Device, Mode: 0o666, Owner: "root", Group: "root", Target: name})
	}
	for name, want := range map[string]int{"null": 0, "zero": 8, "urandom": 8, "full": 8} {
		h, err := f.Open(admin(), "/dev/"+name, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.ReadFull(h, make([]byte, 8))
		if n != want {
			t.Errorf("%s gave %d bytes, %v", name, n, err)
		}
		if _, err := h.Write(make([]byte, 100)); (err != nil) != (name == "full") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAny does things at random and holds what the file system counts against what
// it has.
func TestAny(t *testing.T) {
	f, _ := newFS(Limits{Bytes: 300, Files: 12})
	random := rand.New(rand.NewPCG(7, 7))
	name := func() string {
		parts := []string{"", "a", "b", "c"}
		return "/" + parts[1+random.IntN(3)] + strings.Repeat("/"+parts[random.IntN(4)], random.IntN(3))
	}
	who := []Who{admin(), {User: "ann"}}
	var told map[string]Entry
	gen := uint64(0)
	for range 20_000 {
		w := who[random.IntN(2)]
		var err error
		switch random.IntN(9) {
		case 0:
			err = f.Mkdir(w, name(), 0o777)
		case 1:
			err = f.WriteFile(w, name(), make([]byte, random.IntN(60)), 0o666)
		case 2:
			err = f.Remove(w, name(), random.IntN(2) == 0)
		case 3:
			err = f.Rename(w, name(), name())
		case 4:
			err = f.Symlink(w, name(), name())
		case 5:
			err = f.Hardlink(w, name(), name())
		case 6:
			var h *Handle
			if h, err = f.Open(w, name(), os.O_RDWR, 0); err == nil {
				err = h.Truncate(int64(random.IntN(80)))
			}
		case 7:
			err = f.Chmod(w, name(), uint32(random.IntN(0o1000)))
		case 8:
			_, err = f.Real(w, name(), true)
		}
		var no syscall.Errno
		if err != nil && !errors.As(err, &no) {
			t.Fatal(err)
		}
		bytes, files := f.Usage()
		if bytes > 300 || files > 12 || bytes < 0 {
			t.Fatalf("%d bytes in %d files", bytes, files)
		}
		changed, all, now := f.Since(gen)
		gen = now
		next := map[string]Entry{}
		for _, path := range all {
			e, ok := changed[path]
			if !ok {
				e = told[path]
			}
			next[path] = e
		}
		told = next
	}
	whole, _, _ := f.Since(0)
	if !reflect.DeepEqual(told, whole) {
		t.Errorf("what was told bit by bit is\n%v\nand there is\n%v", told, whole)
	}
	seen, size := map[uint64]bool{}, 0
	for _, e := range whole {
		if !seen[e.Inode] {
			size += e.Size()
		}
		seen[e.Inode] = true
	}
	if bytes, files := f.Usage(); int(bytes) != size || files != len(seen) {
		t.Errorf("counted %d bytes in %d files; there are %d in %d", bytes, files, size, len(seen))
	}
	g, _ := newFS(Limits{Bytes: 300, Files: 12})
	g.Load(whole)
	if again, _, _ := g.Since(0); len(again) != len(whole) {
		t.Errorf("loaded, there are %d files of %d", len(again), len(whole))
	}
}
