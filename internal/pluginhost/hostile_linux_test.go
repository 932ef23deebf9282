package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// hostilePlugin tries what its rows say, and answers what came of it.
func hostilePlugin() sdk.Plugin {
	p := acmePlugin()
	p.Simulators["try"] = sdk.Rows(func(_ context.Context, _ struct{}, in textIn, _ *sdk.Call) ([]textOut, error) {
		what, arg, _ := strings.Cut(in.Text, " ")
		fmt.Fprintln(os.Stderr, "trying", what, os.Getenv("GRANTED_NAME"))
		try := attempts()[what]
		if try == nil {
			return []textOut{{"no such attempt"}}, nil
		}
		if err := try(arg); err != nil {
			return []textOut{{"refused: " + err.Error()}}, nil
		}
		return []textOut{{"done"}}, nil
	})
	return p
}

// attempts are what a hostile plugin may do; nil means that it worked.
func attempts() map[string]func(arg string) error {
	call := func(nr, a, b, c, d uintptr) error {
		if _, _, errno := unix.RawSyscall6(nr, a, b, c, d, 0, 0); errno != 0 {
			return errno
		}
		return nil
	}
	dial := func(network string) func(string) error {
		return func(address string) error {
			c, err := net.Dial(network, address)
			if err != nil {
				return err
			}
			defer c.Close()
			_, err = c.Read(make([]byte, 1)) // a forwarder takes every connection
			return err
		}
	}
	socket := func(family, kind int) func(string) error {
		return func(string) error {
			fd, err := unix.Socket(family, kind, 0)
			if err != nil {
				return err
			}
			return unix.Close(fd)
		}
	}
	read := func(path string) error {
		_, err := os.ReadFile(path)
		return err
	}
	pid := func(arg string) int { n, _ := strconv.Atoi(arg); return n }
	return map[string]func(string) error{
		"getenv": func(value string) error { return lookFor(value, strings.Join(os.Environ(), "\n")) },
		"environ": func(value string) error {
			files, err := filepath.Glob("/proc/[0-9]*/environ")
			if err != nil {
				return err
			}
			for _, f := range files {
				if b, err := os.ReadFile(f); err == nil && lookFor(value, string(b)) == nil {
					return nil
				}
			}
			return errors.New("it is in no environment")
		},
		"memory":      func(arg string) error { return read("/proc/" + arg + "/mem") },
		"environment": func(arg string) error { return read("/proc/" + arg + "/environ") },
		"descriptors": func(arg string) error { _, err := os.ReadDir("/proc/" + arg + "/fd"); return err },
		"ptrace": func(arg string) error {
			return call(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(pid(arg)), 0, 0)
		},
		"vmread": func(arg string) error {
			b := make([]byte, 8)
			local := []unix.Iovec{{Base: &b[0], Len: 8}}
			remote := []unix.RemoteIovec{{Base: uintptr(unsafe.Pointer(&b[0])), Len: 8}}
			_, err := unix.ProcessVMReadv(pid(arg), local, remote, 0)
			return err
		},
		"read": read,
		"link": func(arg string) error {
			link := filepath.Join(os.TempDir(), "link")
			_ = os.Remove(link)
			if err := os.Symlink(arg, link); err != nil {
				return err
			}
			return read(link)
		},
		"hardlink": func(arg string) error { return os.Link(arg, filepath.Join(os.TempDir(), "hard")) },
		"write":    func(arg string) error { return os.WriteFile(arg, []byte("x"), 0o666) },
		"tcp":      dial("tcp"), "unix": dial("unix"),
		"datagram": socket(unix.AF_INET, unix.SOCK_DGRAM), "raw": socket(unix.AF_INET, unix.SOCK_RAW),
		"netlink": socket(unix.AF_NETLINK, unix.SOCK_RAW), "vsock": socket(unix.AF_VSOCK, unix.SOCK_STREAM),
		"mptcp": func(string) error {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP)
			if err == nil {
				err = unix.Close(fd)
			}
			return err
		},
		"name": func(name string) error { _, err := net.LookupHost(name); return err },
		"kill": func(arg string) error { return unix.Kill(pid(arg), 0) },
		"daemon": func(marker string) error {
			cmd := exec.Command("/bin/sleep", marker)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			return cmd.Start()
		},
		"iouring": func(string) error {
			return call(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&[120]byte{})), 0, 0)
		},
		"unshare":     func(string) error { return call(unix.SYS_UNSHARE, unix.CLONE_NEWNS, 0, 0, 0) },
		"mount":       func(string) error { return unix.Mount("tmpfs", os.TempDir(), "tmpfs", 0, "") },
		"userfaultfd": func(string) error { return call(unix.SYS_USERFAULTFD, 1, 0, 0, 0) },
		"keyring":     func(string) error { return call(unix.SYS_KEYCTL, 0, ^uintptr(2), 1, 0) },
		"clone": func(string) error {
			cmd := exec.Command("/bin/true")
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER}
			return cmd.Run()
		},
		"hog": func(string) error {
			var all [][]byte
			for range 4 { // GiB at most, should nothing stop it
				b := make([]byte, 1<<30)
				for i := 0; i < len(b); i += 4096 {
					b[i] = 1
				}
				all = append(all, b)
			}
			return fmt.Errorf("%d GiB were had", len(all))
		},
		"limits": func(arg string) error {
			return unix.Prlimit(pid(arg), unix.RLIMIT_NOFILE, nil, &unix.Rlimit{})
		},
		"shared": func(arg string) error {
			_, err := unix.SysvShmGet(pid(arg), 0, 0)
			return err
		},
		"mute": func(string) error {
			if err := closeSockets(); err != nil {
				return err
			}
			select {}
		},
		"variable": func(value string) error { return lookFor(value, os.Getenv("GRANTED_NAME")) },
	}
}

func lookFor(value, text string) error {
	if !strings.Contains(text, value) {
		return errors.New("it is not there")
	}
	return nil
}

// yard is what a hostile plugin may look for.
type yard struct {
	secret, granted, outside string // files
	tcp, unix, abstract      string // addresses
	other                    string // a TCP address that is never granted
	shared                   string // the key of shared memory
}

func newYard(t *testing.T) yard {
	t.Helper()
	dir := t.TempDir()
	y := yard{secret: filepath.Join(dir, "secret"), granted: filepath.Join(dir, "data", "file"), outside: filepath.Join(dir, "new")}
	if err := os.Mkdir(filepath.Dir(y.granted), 0o777); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{y.secret, y.granted} {
		if err := os.WriteFile(f, []byte("text"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	listen := func(network, address string) string {
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = c.Write([]byte("hello"))
				_ = c.Close()
			}
		}()
		return l.Addr().String()
	}
	socket := filepath.Join(os.TempDir(), fmt.Sprintf("s%d", os.Getpid()))
	y.tcp, y.other = listen("tcp", "127.0.0.1:0"), listen("tcp", "127.0.0.1:0")
	y.unix, y.abstract = listen("unix", socket), listen("unix", fmt.Sprintf("@hostile-test-%d", os.Getpid()))
	y.shared = strconv.Itoa(os.Getpid())
	memory, err := unix.SysvShmGet(os.Getpid(), 4096, unix.IPC_CREAT|0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := unix.SysvShmCtl(memory, unix.IPC_RMID, nil); err != nil {
			t.Error(err)
		}
	})
	return y
}

// tries runs attempts and gives what came of each.
func tries(t *testing.T, h *Host, ref spec.PluginRef, list []string) map[string]string {
	t.Helper()
	out := runAll(t, h, engine.RunSpec{Address: "test", Plugin: ref, Role: schema.Simulator, Component: "try"}, texts(list...))
	if out.err != nil {
		t.Fatal(out.err)
	}
	said := map[string]string{}
	for i, what := range list {
		r := out.results[uint64(i)]
		if r.Err != nil {
			t.Fatalf("%s: %v", what, r.Err)
		}
		said[what] = string(r.Rows[0])
	}
	return said
}

const hostileKey = "sk-of-the-host-0123456789"

// hostile are the attempts of which none may succeed.
func (y yard) hostile() []string {
	host := strconv.Itoa(os.Getpid())
	return []string{
		"getenv " + hostileKey, "environ " + hostileKey, "environment " + host, "memory " + host, "descriptors " + host,
		"ptrace " + host, "vmread " + host, "read " + y.secret, "read " + y.granted, "link " + y.secret, "hardlink " + y.secret,
		"write " + y.outside, "write " + y.granted, "read /etc/shadow", "tcp " + y.tcp, "unix " + y.unix, "unix " + y.abstract,
		"datagram", "raw", "netlink", "vsock", "mptcp", "name example.org", "kill " + host,
		"iouring", "unshare", "mount", "userfaultfd", "keyring", "clone", "limits " + host, "shared " + y.shared,
	}
}

// A hostile plugin gets at nothing, with all that the kernel has and without
// namespaces, as in most containers.
func TestHostile(t *testing.T) {
	t.Setenv("HOSTILE_TEST_KEY", hostileKey)
	y := newYard(t)
	ref := install(t, t.TempDir(), "hostile")
	for _, plain := range []bool{false, true} {
		t.Run(fmt.Sprintf("plain %v", plain), func(t *testing.T) {
			var told []string
			h := newHost(t, func(o *Options) {
				o.Environ = os.Environ()
				o.Notify = func(summary, detail string) { told = append(told, summary+": "+detail) }
			})
			h.plain.Store(plain)
			said := tries(t, h, ref, y.hostile())
			h.mu.Lock()
			level := h.processes[processKey(ref)].child.cell.proc.Level
			h.mu.Unlock()
			t.Logf("%+v; %q", level, told)
			if (len(level.Missing) > 0) != (len(told) == 1) {
				t.Errorf("%q was told of %q", told, level.Missing)
			}
			for what, got := range said {
				t.Logf("%-40.40s %s", what, got)
				if strings.HasPrefix(got, `{"echo":"refused: `) {
					continue
				}
				if excuse := excused(what, level.Missing); excuse != "" {
					t.Logf("%s: NOT ENFORCED here: %s", what, excuse)
					continue
				}
				t.Errorf("%s: %s", what, got)
			}
		})
	}
}

// excused is what a host says it cannot enforce that explains an attempt.
func excused(what string, missing []string) string {
	verb, arg, _ := strings.Cut(what, " ")
	for _, m := range missing {
		switch {
		case verb == "unix" && !strings.HasPrefix(arg, "@") && strings.Contains(m, "sockets of other programs"),
			(verb == "kill" || verb == "unix" && strings.HasPrefix(arg, "@")) && strings.Contains(m, "can be signalled"),
			strings.Contains(m, "lacks Landlock"), strings.Contains(m, "not filtered"):
			return m
		}
	}
	return ""
}

// Without containment the same attempts succeed: they are real.
func TestHostileUncontained(t *testing.T) {
	y := newYard(t)
	h := newHost(t, func(o *Options) { o.Sandbox = SandboxOff })
	list := []string{
		"read " + y.secret, "link " + y.secret, "write " + y.outside, "tcp " + y.tcp, "unix " + y.unix, "unix " + y.abstract,
		"datagram", "kill " + strconv.Itoa(os.Getpid()), "limits " + strconv.Itoa(os.Getpid()), "shared " + y.shared,
	}
	for what, got := range tries(t, h, install(t, t.TempDir(), "hostile"), list) {
		if got != `{"echo":"done"}` {
			t.Errorf("%s: %s", what, got)
		}
	}
}

// What is granted works, and nothing beside it; the value of a granted
// variable is in no log.
func TestGranted(t *testing.T) {
	const value = "value-of-the-granted-variable"
	y := newYard(t)
	ref := install(t, t.TempDir(), "hostile")
	ref.Grant = &spec.Grant{Network: []string{y.tcp}, Read: []string{"data"}, Env: []string{"GRANTED_NAME", "NOT_SET"}}
	for _, plain := range []bool{false, true} {
		t.Run(fmt.Sprintf("plain %v", plain), func(t *testing.T) {
			var log strings.Builder
			h := newHost(t, func(o *Options) {
				o.Environ = []string{"GRANTED_NAME=" + value, "OTHER=" + hostileKey}
				o.Dir, o.Log = filepath.Dir(y.secret), &log
			})
			h.plain.Store(plain)
			granted := []string{"tcp " + y.tcp, "read " + y.granted, "variable " + value}
			for what, got := range tries(t, h, ref, granted) {
				if got != `{"echo":"done"}` {
					t.Errorf("%s is granted: %s", what, got)
				}
			}
			refused := []string{"tcp " + y.other, "read " + y.secret, "write " + y.granted, "getenv " + hostileKey, "datagram", "mptcp"}
			for what, got := range tries(t, h, ref, refused) {
				if got == `{"echo":"done"}` {
					t.Errorf("%s is not granted: %s", what, got)
				}
			}
			if err := h.Close(); err != nil {
				t.Fatal(err)
			}
			if text := log.String(); strings.Contains(text, value) || !strings.Contains(text, "trying tcp (GRANTED_NAME)") {
				t.Errorf("log %q", text)
			}
		})
	}
}

// A program that leaves its group, as daemons do, ends with the plugin all the
// same; where it could not, it is kept from leaving.
func TestDaemon(t *testing.T) {
	ref := install(t, t.TempDir(), "hostile")
	for i, plain := range []bool{false, true} {
		marker := fmt.Sprintf("%d.%d", 70_000+i, os.Getpid())
		h := newHost(t, nil)
		h.plain.Store(plain)
		t.Log(tries(t, h, ref, []string{"daemon " + marker}))
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "a daemon outlives its plugin", func() bool { return len(running(t, marker)) == 0 })
	}
}

// running lists the processes with an argument.
func running(t *testing.T, arg string) (list []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && strings.Contains(string(b), "\x00"+arg+"\x00") {
			list = append(list, f)
		}
	}
	return list
}

// TestRequired: what cannot be contained in full does not run, if the user
// says so.
func TestRequired(t *testing.T) {
	h := newHost(t, func(o *Options) { o.Sandbox = SandboxRequire })
	ref := install(t, t.TempDir(), "acme")
	if _, err := h.process(t.Context(), ref); err != nil {
		t.Log(err) // this kernel cannot
	}
	h = newHost(t, func(o *Options) { o.Sandbox = SandboxRequire })
	if err := h.uncontained(); err == nil || !strings.Contains(err.Error(), "-plugin-sandbox is require") {
		t.Errorf("a plugin that nothing contains: %v", err)
	}
}

// closeSockets breaks the process's connections. It leaves its listeners, whose
// end would be the process's own.
func closeSockets() error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			return err
		}
		if listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || listens != 0 {
			continue // no socket, or none that is connected
		}
		if err := syscall.Shutdown(fd, syscall.SHUT_RDWR); err != nil && !errors.Is(err, syscall.ENOTCONN) {
			return err
		}
	}
	return nil
}

// A row at which the process breaks its connection and runs on fails alone, as
// one that kills it, and the process ends.
func TestMute(t *testing.T) {
	h := newHost(t, nil)
	h.grace = 100 * time.Millisecond // it would wait in vain
	ref := install(t, t.TempDir(), "hostile")
	out := runAll(t, h, engine.RunSpec{Address: "test", Plugin: ref, Role: schema.Simulator, Component: "try"}, texts("read /dev/null", "mute", "read /dev/null"))
	if out.err != nil || len(out.results) != 3 {
		t.Fatalf("%+v", out)
	}
	for seq, r := range out.results {
		if mute := seq == 1; mute != (r.Err != nil && r.Err.Code == crashed && strings.Contains(r.Err.Detail, "broke its connection and went on running")) {
			t.Errorf("row %d: %+v, %v", seq, r, r.Err)
		}
	}
}
