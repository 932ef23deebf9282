package e2e

import (
	"flag"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// ollamaProgram is of v0.6.5, which `go install github.com/ollama/ollama@v0.6.5`
// builds in a minute or two, with a C compiler.
var ollamaProgram = flag.String("e2e.ollama", "", "test against the Ollama server too: the `PATH` of its program, v0.6.5")

// startOllama starts the server without any model, and gives its address.
func startOllama(t *testing.T) string {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = free.Close()
	home, addr := t.TempDir(), free.Addr().String()
	cmd := exec.Command(*ollamaProgram, "serve")
	cmd.Env = []string{"HOME=" + home, "OLLAMA_MODELS=" + filepath.Join(home, "models"), "OLLAMA_HOST=" + addr, "PATH=" + os.Getenv("PATH")}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	})
	eventually(t, "Ollama does not start", func() bool {
		resp, err := http.Get("http://" + addr + "/api/version")
		if err != nil {
			time.Sleep(50 * time.Millisecond)
			return false
		}
		return resp.Body.Close() == nil
	})
	return "http://" + addr
}

// TestOllama asks a real inference server that has no models. Whatever it says
// in its own shapes is told as what it is, at once, and the build ends.
func TestOllama(t *testing.T) {
	if *ollamaProgram == "" {
		t.Log("not run against Ollama: -e2e.ollama PATH does that")
		return
	}
	url := startOllama(t)
	for _, tt := range []struct {
		name, base string
		edit       func(recipe string) string
		says       string
		code       int
	}{
		{"unknown model", "/v1", nil, `does not know the model "critic"`, 1},
		{"no such path", "/v2", nil, "check the model's name, and base_url", 1},
		{"the root", "", nil, "check the model's name, and base_url", 1},
		{"JSON mode", "/v1", func(s string) string { return strings.Replace(s, `"json_schema"`, `"json_object"`, 1) }, `does not know the model "critic"`, 1},
		{"text", "/v1", func(s string) string { return strings.Replace(s, `"json_schema"`, `"text"`, 1) }, `does not know the model "critic"`, 1},
		{"auto", "/v1", func(s string) string { return strings.Replace(s, `"json_schema"`, `"auto"`, 1) }, `does not know the model "critic"`, 1},
		{"an empty name", "/v1", func(s string) string { return strings.Replace(s, `= "critic"`, `= " "`, 1) }, "model is required", 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(aimockRecipe, "FORM", "json_schema", 1)
			if tt.edit != nil {
				text = tt.edit(text)
			}
			p := newProject(t, nil, map[string]string{recipe: text, "asks.jsonl": asks(20)})
			p.plain()
			p.env = append(p.env, "OPENAI_BASE_URL="+url+tt.base)
			r := p.build()
			if r.code != tt.code || !strings.Contains(r.sum.Error, tt.says) {
				t.Errorf("exit %d: %s", r.code, r.sum.Error)
			}
			if r.sum.Calls.Made != 0 || r.sum.Calls.Retried != 0 {
				t.Errorf("%d calls made, %d retried", r.sum.Calls.Made, r.sum.Calls.Retried)
			}
			t.Logf("%s", r.sum.Error)
		})
	}
	t.Run("tools", func(t *testing.T) { // a request with tools, as the agent makes it
		p := newProject(t, nil, nil)
		p.plain()
		copyDir(t, p.dir, "testdata/pipeline")
		p.env = append(p.env, "OPENAI_BASE_URL="+url+"/v1")
		r := p.build()
		if r.code != 1 || !strings.Contains(r.sum.Error, `does not know the model "generator"`) {
			t.Errorf("exit %d: %s", r.code, r.sum.Error)
		}
	})
}
