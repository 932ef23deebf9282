package vfs

import (
	"io"
	"os"
	"syscall"
)

// Handle is an open file. Several may use it at once.
type Handle struct {
	fs     *FS
	n      *node
	at     int64
	read   bool
	write  bool
	append bool
}

// Open opens a file, with the flags of package os. Perm is the mode of a file
// that it makes.
func (f *FS) Open(w Who, name string, flag int, perm uint32) (*Handle, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h, err := f.open(w, name, flag, perm)
	if err != nil {
		return nil, fail("open", name, err)
	}
	return h, nil
}

func (f *FS) open(w Who, name string, flag int, perm uint32) (*Handle, error) {
	access := flag & (os.O_RDONLY | os.O_WRONLY | os.O_RDWR)
	h := &Handle{fs: f, read: access != os.O_WRONLY, write: access != os.O_RDONLY, append: flag&os.O_APPEND != 0}
	parent, last, n, err := f.walk(w, name, true)
	if err != nil {
		return nil, err
	}
	if n == nil {
		if flag&os.O_CREATE == 0 {
			return nil, syscall.ENOENT
		}
		if name[len(name)-1] == '/' {
			return nil, syscall.EISDIR
		}
		if !w.may(parent, 3) {
			return nil, syscall.EACCES
		}
		if f.files >= f.limits.Files {
			f.full("files")
			return nil, syscall.ENOSPC
		}
		h.n = f.add(w, parent, last, File, perm)
		return h, nil
	}
	h.n = n
	switch {
	case flag&os.O_EXCL != 0 && flag&os.O_CREATE != 0:
		return nil, syscall.EEXIST
	case n.kind == Dir && h.write:
		return nil, syscall.EISDIR
	case h.read && !w.may(n, 4), h.write && !w.may(n, 2):
		return nil, syscall.EACCES
	}
	if flag&os.O_TRUNC != 0 && n.kind == File {
		f.bytes -= int64(len(n.data))
		n.data = nil
		f.touch(n)
	}
	return h, nil
}

// Read reads on from where the handle is.
func (h *Handle) Read(p []byte) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	switch {
	case !h.read:
		return 0, syscall.EBADF
	case h.n.kind == Dir:
		return 0, syscall.EISDIR
	case h.n.kind == Device:
		return h.readDevice(p)
	case h.at >= int64(len(h.n.data)):
		return 0, io.EOF
	}
	n := copy(p, h.n.data[h.at:])
	h.at += int64(n)
	return n, nil
}

// maxMoved is how much may go through devices from one ResetDevices to the next.
const maxMoved = 256 << 20

// ResetDevices lets devices give and take anew.
func (f *FS) ResetDevices() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.moved = 0
}

// move counts what goes through a device.
func (f *FS) move(n int) error {
	if f.moved += int64(n); f.moved > maxMoved {
		f.full("steps")
		return syscall.EIO
	}
	return nil
}

func (h *Handle) readDevice(p []byte) (int, error) {
	if err := h.fs.move(len(p)); err != nil {
		return 0, err
	}
	switch h.n.device {
	case "zero", "full":
		clear(p)
		return len(p), nil
	case "urandom":
		for i := range p {
			p[i] = byte(h.fs.random.Uint32())
		}
		return len(p), nil
	}
	return 0, io.EOF
}

// Write writes where the handle is, or at the end.
func (h *Handle) Write(p []byte) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if !h.write {
		return 0, syscall.EBADF
	}
	if h.n.kind == Device {
		if h.n.device == "full" {
			return 0, syscall.ENOSPC
		}
		return len(p), h.fs.move(len(p))
	}
	if h.append {
		h.at = int64(len(h.n.data))
	}
	end := h.at + int64(len(p))
	whole := len(p)
	if more := end - int64(len(h.n.data)); more > 0 && h.n.links > 0 {
		if room := h.fs.limits.Bytes - h.fs.bytes; more > room {
			h.fs.full("disk")
			p = p[:max(int64(len(p))-(more-room), 0)]
			end = h.at + int64(len(p))
		}
	}
	h.put(p, end)
	if len(p) < whole {
		return len(p), syscall.ENOSPC
	}
	return len(p), nil
}

// put writes what there is room for.
func (h *Handle) put(p []byte, end int64) {
	if len(p) == 0 {
		return
	}
	if more := end - int64(len(h.n.data)); more > 0 {
		if h.n.links > 0 {
			h.fs.bytes += more
		}
		h.n.data = append(h.n.data, make([]byte, more)...)
	}
	copy(h.n.data[h.at:], p)
	h.at = end
	h.fs.touch(h.n)
}

// SeekTo goes to a place from the beginning.
func (h *Handle) SeekTo(at int64) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	h.at = at
}

// Truncate makes the file that long, with zeros where it grows.
func (h *Handle) Truncate(size int64) error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	more := size - int64(len(h.n.data))
	switch {
	case !h.write || size < 0 || h.n.kind != File:
		return syscall.EINVAL
	case more > h.fs.limits.Bytes-h.fs.bytes:
		h.fs.full("disk")
		return syscall.ENOSPC
	case more > 0:
		h.n.data = append(h.n.data, make([]byte, more)...)
	default:
		h.n.data = h.n.data[:size:size]
	}
	h.fs.bytes += more
	h.fs.touch(h.n)
	return nil
}

// Close closes the file: there is nothing to do.
func (h *Handle) Close() error { return nil }

// ReadFile is a file's content.
func (f *FS) ReadFile(w Who, name string) ([]byte, error) {
	h, err := f.Open(w, name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if h.n.kind == Dir {
		return nil, fail("read", name, syscall.EISDIR)
	}
	return append([]byte(nil), h.n.data...), nil
}

// WriteFile makes or replaces a file.
func (f *FS) WriteFile(w Who, name string, data []byte, perm uint32) error {
	h, err := f.Open(w, name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	if _, err := h.Write(data); err != nil {
		return fail("write", name, err)
	}
	return nil
}
