package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
)

// newSecret is a random key with characters that are written differently in
// JSON, in URLs and in base64.
func newSecret() string {
	b := make([]byte, 18)
	_, _ = rand.Read(b) // never fails
	return "sk-" + hex.EncodeToString(b) + "/+=&<>"
}

// forms are the spellings in which a secret may show.
func forms(secret string) []string {
	quoted, _ := json.Marshal(secret)
	core := secret[3 : len(secret)-6] // the random part, however the rest is spelt
	return []string{
		secret, string(quoted[1 : len(quoted)-1]), core,
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte(core)), hex.EncodeToString([]byte(core)),
	}
}

// echoing is an endpoint that repeats what it was sent, headers and all, in
// some of its answers and in its errors. It answers nothing before begin is
// closed.
func echoing(t testing.TB, begin <-chan struct{}) *llmtest.Server {
	return start(t, llmtest.Options{
		Reply: func(r llmtest.Request) (llmtest.Reply, bool) {
			<-begin
			said := fmt.Sprintf("you sent %v", r.Header)
			switch {
			case r.Model == "reflector":
				b, _ := json.Marshal(map[string]string{"reflection": said})
				return llmtest.Reply{Content: string(b), Reasoning: said}, true
			case r.Model == "agent" && lot(r, 3) == 0:
				return llmtest.Reply{Content: said}, true
			case r.Model == "judge" && lot(r, 11) == 0:
				return llmtest.Reply{Content: said, Refusal: said}, true // fits nothing
			}
			return llmtest.Reply{}, false
		},
	})
}

// TestSecrets builds with a key from the environment, one from a sensitive
// variable and one in a header, against an endpoint that echoes them. They
// show nowhere: in no file, no output, no argument and no environment but
// that of the command itself.
func TestSecrets(t *testing.T) {
	t.Parallel()
	watched := make(chan struct{}) // closed when a plugin has been looked at
	look := sync.OnceFunc(func() { close(watched) })
	server := echoing(t, watched)
	t.Cleanup(look)
	p := pipeline(t, server)
	p.ownBinary()
	key, header, other := newSecret(), newSecret(), newSecret()
	p.key = key
	p.edit(recipe, `timeout  = "30m"`, "timeout  = \"30m\"\n  headers = { X-Api-Key = var.header, Authorization-2 = \"Bearer ${var.other}\" }")
	p.edit(recipe, "# The pipeline that", "variable \"header\" {\n  sensitive = true\n}\nvariable \"other\" {\n  type = string\n  sensitive = true\n}\n# The pipeline that")
	for _, step := range []string{"  samples      = 2", "  rounds       = 30"} {
		p.edit(recipe, step, step+"\n  on_error = \"drop\"")
	}
	p.env = append(p.env, "AUTOSAFE_VAR_header="+header)
	secrets := [][]string{forms(key), forms(header), forms(other)}

	stop := watch(t, p, secrets, look)
	args := []string{"-var", "other=" + other}
	built := p.build(args...)
	stop()
	for _, r := range p.requests() {
		if r.Header.Get("X-Api-Key") != header || r.Header.Get("Authorization-2") != "Bearer "+other {
			t.Fatal("the endpoint did not get the headers; the test proves nothing")
		}
	}
	runs := map[string]result{"build": built, "build again": p.run(append([]string{"build", p.dir}, args...)...)}
	for _, command := range []string{"validate", "plan", "graph"} {
		runs[command] = p.run(append([]string{command, p.dir}, args...)...)
		runs[command+" -json"] = p.run(append([]string{command, "-json", p.dir}, args...)...)
	}
	runs["show"] = p.run(append([]string{"show", stepSafe, p.dir, "-n", "0"}, args...)...)
	runs["show -json"] = p.run(append([]string{"show", "-json", stepSafe, p.dir, "-n", "0"}, args...)...)

	// Errors too: a server that refuses and repeats what it was sent.
	server.Reset(llmtest.Fault{Status: 400, Body: fmt.Sprintf(`{"error":{"message":"bad key %s in Bearer %s, with %s"}}`, key, other, header)})
	p.edit(recipe, "count = 4", "count = 5")
	runs["a build that fails"] = p.run(append([]string{"build", p.dir}, args...)...)
	if !strings.Contains(runs["a build that fails"].stderr, "bad key") {
		t.Errorf("the endpoint's words are not told: %s", tail(runs["a build that fails"].stderr))
	}
	p.edit(recipe, "max_steps    = 4", "max_steps    = var.header")
	runs["a recipe with an error"] = p.run(append([]string{"build", p.dir}, args...)...)
	for name, r := range runs {
		wantWithout(t, name+": standard output", []byte(r.stdout), secrets)
		wantWithout(t, name+": standard error", []byte(r.stderr), secrets)
	}
	for _, dir := range []string{p.cache, p.dir} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			wantWithout(t, path, b, secrets)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func wantWithout(t testing.TB, where string, text []byte, secrets [][]string) {
	t.Helper()
	for i, spellings := range secrets {
		for j, s := range spellings {
			if bytes.Contains(text, []byte(s)) {
				t.Errorf("%s holds secret %d (spelling %d)", where, i, j)
			}
		}
	}
}

// watch looks at the arguments and the environment of a project's processes
// until it is told to stop. It calls seen whenever it has looked at a plugin.
func watch(t testing.TB, p *project, secrets [][]string, seen func()) (stop func()) {
	t.Helper()
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			for _, pid := range processes(t, p.bin) {
				dir := filepath.Join("/proc", strconv.Itoa(pid))
				args, err := os.ReadFile(filepath.Join(dir, "cmdline"))
				if err != nil || !bytes.Contains(args, []byte("plugin-serve")) {
					continue // gone, or the command, which was given them
				}
				environ, err := os.ReadFile(filepath.Join(dir, "environ"))
				if err != nil {
					continue
				}
				wantWithout(t, "an argument of a plugin", args, secrets)
				wantWithout(t, "the environment of a plugin", environ, secrets)
				if bytes.Contains(environ, []byte("OPENAI_")) || bytes.Contains(environ, []byte("AUTOSAFE_VAR_")) {
					t.Errorf("a plugin has the environment of the command: %q", environ)
				}
				seen()
			}
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}
