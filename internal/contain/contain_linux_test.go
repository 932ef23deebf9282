package contain

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// launchArgument makes this test binary the launcher.
const launchArgument = "launch-for-test"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == launchArgument {
		os.Exit(Launch(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// contained runs a shell script contained, and gives what it wrote.
func contained(t *testing.T, plain bool, p Policy, script string) (string, Level) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p.Path, p.Args = "/bin/sh", []string{"-c", script}
	p.Base = t.TempDir()
	if p.Env == nil {
		p.Env = []string{"PATH=/usr/bin:/bin"}
	}
	var out bytes.Buffer
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _, _ = io.Copy(&out, r) }()
	proc, err := Launcher{Self: self, Argument: launchArgument, Plain: plain}.Start(p,
		func(cmd *exec.Cmd) {
			cmd.Stdout, cmd.Stderr = w, w
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		},
		(*exec.Cmd).Start, func() error { return nil })
	_ = w.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer proc.Close()
	_ = proc.Wait() // the script's own code is of no interest
	<-done
	return out.String(), proc.Level
}

// each runs a test with namespaces, where the kernel lets them be made, and
// without.
func each(t *testing.T, run func(t *testing.T, plain bool)) {
	for _, plain := range []bool{false, true} {
		t.Run(fmt.Sprintf("plain %v", plain), func(t *testing.T) { run(t, plain) })
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("content of "+name+"\n"), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secret, granted, out := file("secret"), file("one/granted"), filepath.Dir(file("out/there"))
	file("folder/deep/inside")
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(dir, "folder"), link); err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, plain bool) {
		script := fmt.Sprintf(`
cat %[1]s && echo READ SECRET
cat %[2]s
cat %[3]s/deep/inside
echo x > %[2]s && echo WROTE GRANTED
echo x > %[3]s/deep/inside && echo WROTE FOLDER
echo x > %[4]s/new && echo wrote out
echo x > here && cat here
ln -s %[1]s linked; cat linked && echo READ SECRET
echo x > %[5]s/new && echo WROTE ELSEWHERE
cat /proc/%[6]d/environ && echo READ ENVIRON
cat /etc/shadow && echo READ SHADOW
pwd`, secret, granted, link, out, dir, os.Getpid())
		got, level := contained(t, plain, Policy{Read: []string{granted, link}, Write: []string{out}}, script)
		t.Logf("%+v\n%s", level, got)
		for _, want := range []string{"content of one/granted", "content of folder/deep/inside", "wrote out", "\nx\n", "/work"} {
			if !strings.Contains(got, want) {
				t.Errorf("%q is missing", want)
			}
		}
		for _, bad := range []string{"READ", "WROTE", "content of secret"} {
			if strings.Contains(got, bad) {
				t.Errorf("%q: it is not contained", bad)
			}
		}
	})
}

func TestNetwork(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "hello from outside\n")
			_ = c.Close()
		}
	}()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	bash := "exec bash -c 'exec 3<>/dev/tcp/127.0.0.1/" + port + " && cat <&3'"
	each(t, func(t *testing.T, plain bool) {
		if got, _ := contained(t, plain, Policy{}, bash); strings.Contains(got, "hello") {
			t.Errorf("no network was granted: %q", got)
		}
		if got, level := contained(t, plain, Policy{Net: []Target{{"127.0.0.1", port}}}, bash); got != "hello from outside\n" {
			t.Errorf("the network was granted: %q, %+v", got, level)
		}
		if got, _ := contained(t, plain, Policy{Net: []Target{{"localhost", "1"}}}, bash); strings.Contains(got, "hello") {
			t.Errorf("another port was granted: %q", got)
		}
	})
}

// What interpreters need is there.
func TestInterpreter(t *testing.T) {
	if _, err := exec.LookPath("/usr/bin/python3"); err != nil {
		t.Log("there is no /usr/bin/python3 here")
		return
	}
	script := `exec python3 -c '
import json, os, pathlib, socket, subprocess, tempfile, threading, uuid
t = threading.Thread(target=lambda: None); t.start(); t.join()
with tempfile.NamedTemporaryFile("w") as f: f.write(str(uuid.uuid4()))
a, b = socket.socketpair()
subprocess.run(["true"], check=True)
print(pathlib.Path.home() == pathlib.Path.cwd(), os.getpid() > 0, len(os.urandom(4)))'`
	each(t, func(t *testing.T, plain bool) {
		dir := t.TempDir()
		got, _ := contained(t, plain, Policy{Write: []string{dir}, Env: []string{"HOME=/nowhere", "TMPDIR=" + dir}}, script)
		if got != "False True 4\n" {
			t.Errorf("%s", got)
		}
	})
}

// Without namespaces, places with a name are reached through a proxy, which
// goes nowhere else.
func TestProxy(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "hello "+r.URL.Path)
	}))
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := newCarrier()
	defer c.close()
	address, err := c.proxy([]Target{{"127.0.0.1", port}})
	if err != nil {
		t.Fatal(err)
	}
	through, err := url.Parse("http://" + address)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(through), DisableKeepAlives: true}}
	for target, want := range map[string]string{
		server.URL + "/a":                     "hello /a",
		"http://127.0.0.1:1/a":                "the recipe does not grant \"127.0.0.1:1\"\n",
		"http://example.org/a":                "the recipe does not grant \"example.org\"\n",
		"http://127.0.0.1.:" + port + "/":     fmt.Sprintf("the recipe does not grant %q\n", "127.0.0.1.:"+port),
		"http://user@127.0.0.2:" + port + "/": fmt.Sprintf("the recipe does not grant %q\n", "127.0.0.2:"+port),
	} {
		res, err := client.Get(target)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if string(got) != want {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
	for target, want := range map[string]string{"127.0.0.1:" + port: "200", "127.0.0.1:1": "403"} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, target)
		reader := bufio.NewReader(conn)
		res, err := http.ReadResponse(reader, &http.Request{Method: http.MethodConnect})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(res.Status, want) {
			t.Errorf("%s: %s", target, res.Status)
		}
		if want == "200" {
			fmt.Fprintf(conn, "GET /b HTTP/1.0\r\n\r\n")
			if answer, _ := io.ReadAll(reader); !strings.Contains(string(answer), "hello /b") {
				t.Errorf("through the proxy came %q", answer)
			}
		}
		_ = res.Body.Close()
		_ = conn.Close()
	}
}

// A contained program is told of the proxy, and can reach it.
func TestProxyReached(t *testing.T) {
	script := `exec bash -c 'exec 3<>/dev/tcp/127.0.0.1/${https_proxy##*:} && printf "GET http://other.test/ HTTP/1.0\r\n\r\n" >&3 && cat <&3'`
	got, _ := contained(t, true, Policy{Net: []Target{{"granted.test", "443"}}}, script)
	if !strings.Contains(got, "403 Forbidden") || !strings.Contains(got, "does not grant") {
		t.Errorf("%q", got)
	}
}

// Very many files are not mounted one by one, and no other is readable.
func TestManyFiles(t *testing.T) {
	dir := t.TempDir()
	var list []string
	for i := range 2 * maxMounts {
		path := filepath.Join(dir, fmt.Sprint(i%2), fmt.Sprintf("file%d", i))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o666); err != nil {
			t.Fatal(err)
		}
		list = append(list, path)
	}
	secret := filepath.Join(dir, "0", "secret")
	if err := os.WriteFile(secret, []byte("s"), 0o666); err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, plain bool) {
		got, level := contained(t, plain, Policy{Read: list}, fmt.Sprintf("cat %s %s; cat %s 2>/dev/null", list[0], list[len(list)-1], secret))
		if got != "xx" && !strings.Contains(fmt.Sprint(level.Missing), "Landlock (5.13)") {
			t.Errorf("%q; %+v", got, level)
		}
	})
}
