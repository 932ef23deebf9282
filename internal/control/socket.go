package control

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// maxSocketPath is how long the path of a socket may be everywhere.
const maxSocketPath = 100

const socketEnding = ".sock"

// Dir is the folder of the sockets, by the environment given.
func Dir(getenv func(string) string) string {
	if dir := getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		if info, err := os.Stat(dir); err == nil && info.IsDir() && fits(filepath.Join(dir, "autosafe")) {
			return filepath.Join(dir, "autosafe")
		}
	}
	name := "autosafe-" + strconv.Itoa(os.Getuid())
	if dir := filepath.Join(os.TempDir(), name); fits(dir) {
		return dir
	}
	return filepath.Join("/tmp", name)
}

func fits(dir string) bool { return len(dir)+len("/4194304"+socketEnding) <= maxSocketPath }

func socketOf(dir string, pid int) string {
	return filepath.Join(dir, strconv.Itoa(pid)+socketEnding)
}

// listen makes this process's socket.
func listen(dir string) (*net.UnixListener, error) {
	path := socketOf(dir, os.Getpid())
	for try := 0; ; try++ {
		if err := makeDir(dir); err != nil {
			return nil, err
		}
		_ = os.Remove(path) // of a process that died and had this number
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if errors.Is(err, fs.ErrNotExist) && try < 5 {
			continue // a build that ended has just removed the folder
		}
		if err != nil {
			return nil, err
		}
		// The folder keeps others out already.
		if err := os.Chmod(path, 0o600); err != nil {
			return nil, errors.Join(err, l.Close())
		}
		return l, nil
	}
}

// makeDir makes the folder of the sockets. One that others could write to, or
// that is somebody else's, is not used.
func makeDir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return checkDir(dir)
}

// checkDir says why a folder must not be trusted.
func checkDir(dir string) error {
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is no folder", dir)
	case !isOwn(info):
		return fmt.Errorf("the folder %s belongs to somebody else", dir)
	case info.Mode().Perm()&0o077 != 0 && hasModes:
		return fmt.Errorf("the folder %s is open to others; remove it, or take their rights away: chmod 700 %s", dir, dir)
	}
	return nil
}

// sockets lists the sockets of a folder by their process.
func sockets(dir string) (map[int]string, error) {
	if err := checkDir(dir); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	found := map[int]string{}
	for _, e := range entries {
		number, ok := strings.CutSuffix(e.Name(), socketEnding)
		if pid, err := strconv.Atoi(number); ok && err == nil && pid > 0 {
			found[pid] = filepath.Join(dir, e.Name())
		}
	}
	return found, err
}

// sweep removes the sockets of processes that died.
func sweep(dir string) {
	list, err := sockets(dir)
	if err != nil {
		return
	}
	for pid, path := range list {
		if pid == os.Getpid() || isAlive(pid) {
			continue
		}
		// A process of another container may have a number that is not seen
		// here; it answers.
		c, err := net.DialTimeout("unix", path, time.Second)
		if err == nil {
			_ = c.Close()
		} else if errors.Is(err, syscall.ECONNREFUSED) {
			_ = os.Remove(path)
		}
	}
}

func isAlive(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	defer func() { _ = p.Release() }()
	err = p.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, fs.ErrPermission)
}
