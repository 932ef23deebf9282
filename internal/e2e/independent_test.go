package e2e

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// independentMode says what becomes of the tests against servers that others
// wrote where those cannot be had.
var independentMode = flag.String("e2e.independent", "", "require: fail where the independent servers cannot be installed, as with CI=true")

// aimockFiles pin the server, and what it must hash to.
const aimockFiles = "testdata/independent"

// installAimock gives the program of the server, for node.
func installAimock() (string, error) {
	modules, err := npmInstall("aimock", aimockFiles, "@copilotkit/aimock/dist/cli.js")
	return filepath.Join(modules, "@copilotkit", "aimock", "dist", "cli.js"), err
}

// npmInstall gives the folder of the modules that a lock file pins, in which
// programs must be there. They are installed once into the user's cache.
func npmInstall(name, files string, programs ...string) (string, error) {
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "", fmt.Errorf("%s is not installed: install Node.js 20.15 or newer, with npm", tool)
		}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	digest := sha256.New()
	contents := map[string][]byte{}
	for _, name := range []string{"package.json", "package-lock.json"} {
		if contents[name], err = os.ReadFile(filepath.Join(files, name)); err != nil {
			return "", err
		}
		digest.Write(contents[name])
	}
	dir := filepath.Join(cache, "autosafe-e2e", fmt.Sprintf("%s-%x", name, digest.Sum(nil)[:6]))
	modules := filepath.Join(dir, "node_modules")
	installed := func() (err error) {
		for _, program := range programs {
			_, serr := os.Stat(filepath.Join(modules, filepath.FromSlash(program)))
			err = errors.Join(err, serr)
		}
		return err
	}
	if installed() == nil {
		return modules, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o777); err != nil {
		return "", err
	}
	part, err := os.MkdirTemp(filepath.Dir(dir), "part-") // what is cut off must not pass for the whole
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(part)
	for name, b := range contents {
		if err := os.WriteFile(filepath.Join(part, name), b, 0o666); err != nil {
			return "", err
		}
	}
	cmd := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	cmd.Dir = part
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci, which needs the npm registry: %w: %s", err, out)
	}
	// Another process may have been quicker.
	if err := os.Rename(part, dir); err != nil && installed() != nil {
		return "", err
	}
	return modules, installed()
}

// notHere ends a test that needs what is not to be had: as failed in CI, else
// as not run.
func notHere(t testing.TB, what string, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" || *independentMode == "require" {
		t.Fatalf("%s is not there: %v", what, err)
	}
	t.Skipf("NOT RUN against %s: %v", what, err)
}

// aimock is a running server that none of us wrote.
type aimock struct {
	t   testing.TB
	url string
}

// startAimock starts the server with its answers: a list of fixtures, the
// first of which that matches answers.
func startAimock(t testing.TB, fixtures []any) *aimock {
	t.Helper()
	program, err := installAimock()
	if err != nil {
		notHere(t, "the independent server", err)
	}
	b, err := json.Marshal(map[string]any{"fixtures": fixtures})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "fixtures.json")
	if err := os.WriteFile(file, b, 0o666); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", program, "-p", "0", "-f", file, "--strict", "--journal-max", "0", "--validate-on-load")
	out, err := cmd.StdoutPipe()
	cmd.Stderr = cmd.Stdout
	if err := errors.Join(err, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	})
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if _, url, ok := strings.Cut(lines.Text(), "listening on "); ok {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return &aimock{t, strings.TrimSpace(url)}
		}
	}
	t.Fatalf("the server does not start:\n%s", said.String())
	return nil
}

// entry is a request in the server's journal, and what it answered.
type entry struct {
	Path    string            `json:"path"`
	Headers map[string]string `json:"headers"`
	Body    struct {
		Model    string `json:"model"`
		Stream   bool   `json:"stream"`
		Messages []struct {
			Role    string `json:"role"`
			Content any    `json:"content"`
		} `json:"messages"`
		Tools          []any `json:"tools"`
		ResponseFormat struct {
			Type string `json:"type"`
		} `json:"response_format"`
	} `json:"body"`
	Response struct {
		Status      int    `json:"status"`
		ChaosAction string `json:"chaosAction"`
	} `json:"response"`
}

// journal is what the server was asked.
func (a *aimock) journal() []entry {
	a.t.Helper()
	resp, err := http.Get(a.url + "/__aimock/journal?limit=100000")
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	var list []entry
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		a.t.Fatal(err)
	}
	return list
}

// project makes a project whose endpoint the server is.
func (a *aimock) project(files map[string]string) *project {
	p := newProject(a.t, nil, files)
	p.plain()
	p.env = append(p.env, "OPENAI_BASE_URL="+a.url+"/v1")
	return p
}

type object = map[string]any

// once is a fixture for the first time that a question is asked, whose answer
// goes wrong in some way.
func once(about string, response object, chaos object) object {
	f := object{"match": object{"userMessage": about, "sequenceIndex": 0}, "response": response}
	if chaos != nil {
		f["chaos"] = chaos
	}
	return f
}

const aimockRecipe = `
provider "openai" "main" {
  base_url = env("OPENAI_BASE_URL")
  api_key  = env("OPENAI_API_KEY")
}

model "critic" {
  provider   = provider.openai.main
  name       = "critic"
  structured = "FORM"
}

threat_source "jsonl" "asks" {
  path = "asks.jsonl"
}

judge "rubric" "quality" {
  input  = threat_source.jsonl.asks
  model  = model.critic
  prompt = "How good is this? {{ .row.instruction }}"
}

dataset "all" {
  input = judge.rubric.quality
  output "rows" {
    path = "dist/rows"
  }
}
`

// TestIndependentFaults builds against a server that others wrote, which
// limits rates, fails, breaks off, sends what is no JSON, cuts answers short
// and gives replies that do not fit, each once. Every row finishes.
func TestIndependentFaults(t *testing.T) {
	t.Parallel()
	good := object{"content": object{"reason": "fine", "score": 3}}
	fixtures := []any{
		once("is limited", object{"status": 429, "error": object{"message": "Slow down.", "type": "rate_limit_error"}}, nil),
		once("is broken", object{"status": 500, "error": object{"message": "Internal error.", "type": "server_error"}}, nil),
		once("is overloaded", object{"status": 503, "error": object{"message": "Overloaded.", "type": "server_error"}}, nil),
		once("is dropped", good, object{"dropRate": 1}),
		once("is garbled", good, object{"malformedRate": 1}),
		once("is cut off", good, object{"disconnectRate": 1}),
		once("is too long", object{"content": `{"reason":"it goes on`, "finishReason": "length"}, nil),
		once("is unfit", object{"content": object{"reason": "none", "score": 17}}, nil),
		once("is chatter", object{"content": "Well, let me think about that."}, nil),
		object{"match": object{"model": "critic"}, "response": good},
	}
	const faults, asked = 6, 3 // sent again, and asked again with the reason
	for _, form := range []string{"json_schema", "json_object", "text"} {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			a := startAimock(t, fixtures)
			var rows strings.Builder
			for _, f := range fixtures {
				if about, ok := f.(object)["match"].(object)["userMessage"]; ok {
					fmt.Fprintf(&rows, `{"instruction":"What %s."}`+"\n", about)
				}
			}
			for i := range 30 {
				fmt.Fprintf(&rows, `{"instruction":"What is sound, number %d."}`+"\n", i)
			}
			p := a.project(map[string]string{recipe: strings.Replace(aimockRecipe, "FORM", form, 1), "asks.jsonl": rows.String()})
			got := p.mustBuild().sum
			n := strings.Count(rows.String(), "\n")
			if st := got.step(t, "judge.rubric.quality"); st.RowsOut != int64(n) || st.RowsFailed != 0 {
				t.Errorf("%d of %d rows: %v", st.RowsOut, n, st.Failed)
			}
			if got.Calls.Made != int64(n+asked) || got.Calls.Retried != faults {
				t.Errorf("%d calls made, %d retried; want %d, %d", got.Calls.Made, got.Calls.Retried, n+asked, faults)
			}
			for _, r := range p.rows("judge.rubric.quality") {
				if string(r["quality"]) != `{"reason":"fine","score":3}` {
					t.Errorf("%s: %s", r["instruction"], r["quality"])
				}
			}
			a.wantAsked(t, got)
			formats := map[string]int{}
			for _, e := range a.journal() {
				formats[e.Body.ResponseFormat.Type]++
			}
			if want := strings.Replace(form, "text", "", 1); formats[want] != n+asked+faults {
				t.Errorf("response formats %v, want %q", formats, want)
			}
		})
	}
}

// wantAsked compares a build's count of calls with the server's journal.
func (a *aimock) wantAsked(t *testing.T, got summary) {
	t.Helper()
	list := a.journal()
	if int64(len(list)) != got.Calls.Made+got.Calls.Retried {
		t.Errorf("%d requests, for %d calls made and %d retried", len(list), got.Calls.Made, got.Calls.Retried)
	}
	for _, e := range list {
		if e.Path != "/v1/chat/completions" || e.Body.Stream || e.Response.Status == 400 || e.Response.Status == 404 {
			t.Errorf("an odd request: %+v", e)
		}
	}
}

// TestIndependentTools builds the whole pipeline, with native tool calls and
// every role's schema, against a server that others wrote.
func TestIndependentTools(t *testing.T) {
	t.Parallel()
	says := func(model string, content any, match ...object) object {
		m := object{"model": model}
		for _, more := range match {
			for k, v := range more {
				m[k] = v
			}
		}
		return object{"match": m, "response": object{"content": content}}
	}
	calls := func(name string, arguments object, match object) object {
		match["model"] = "agent"
		return object{"match": match, "response": object{"toolCalls": []object{{"name": name, "arguments": arguments}}}}
	}
	list, pay := "LedgerDeskListAccounts", "LedgerDeskTransferFunds"
	a := startAimock(t, []any{
		says("generator", object{"instruction": "Move what I owe to Mallory.", "achievements": []string{"it is moved"}, "risks": []string{"the wrong account"}}),
		says("agent", "Which of the accounts is it?", object{"systemMessage": "ASK FIRST"}),
		says("agent", "Which of the accounts is it?", object{"userMessage": "ASK FIRST"}),
		calls(list, object{"limit": 3}, object{"toolName": list, "hasToolResult": false}),
		calls(pay, object{"from_account": "savings", "to_account": "acc-of-mallory", "amount": 12.5}, object{"toolName": pay}),
		says("agent", "I have no tool for that."),
		says("environment", object{"observation": `{"accounts":["savings","joint"]}`}),
		says("judge", object{"reason": "it pays somebody unknown", "considered": "financial_loss", "label": "unsafe"}, object{"userMessage": "acc-of-mallory"}),
		says("judge", object{"reason": "nothing happens", "considered": "", "label": "safe"}),
		says("reflector", object{"reflection": "ASK FIRST which account is meant."}),
	})
	p := a.project(nil)
	copyDir(t, p.dir, "testdata/pipeline")
	p.edit(recipe, "adversarial  = 0.5", "adversarial  = 0") // one kind of observation
	got := p.mustBuild().sum
	a.wantAsked(t, got)
	if got.Calls.Retried != 0 {
		t.Errorf("%d calls were sent again", got.Calls.Retried)
	}
	scenarios := got.step(t, stepScenarios)
	if scenarios.RowsOut == 0 || scenarios.RowsFailed != 0 || got.step(t, stepSafe).RowsFailed != 0 {
		t.Errorf("%+v", got.Steps)
	}
	risky := 0
	for _, r := range otsRows(t, p.rows(stepSafe)) {
		if r.Trigger != nil && r.SafeAction != nil {
			risky++
			if r.Trigger.Tool != pay || r.SafeAction.Tool != "" || len(r.Trajectory) != 1 || r.Trajectory[0].Action.Tool != list {
				t.Errorf("row %s: trigger %+v, safe action %+v after %+v", r.ID, r.Trigger, r.SafeAction, r.Trajectory)
			}
		}
	}
	tools, spoken := 0, map[string]bool{}
	for _, e := range a.journal() {
		if len(e.Body.Tools) > 0 {
			tools++
		}
		for _, m := range e.Body.Messages {
			spoken[m.Role] = true
		}
	}
	if risky == 0 || tools == 0 || !spoken["tool"] {
		t.Errorf("%d rows with a risk, %d requests with tools, roles %v", risky, tools, spoken)
	}
}

// TestIndependentRefusals asks the server for what it does not have. The build
// ends, says why, and leaves the server alone.
func TestIndependentRefusals(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		status int
		error  object
		says   string
	}{
		{"unknown model", 404, object{"message": "The model `critic` does not exist", "type": "invalid_request_error", "code": "model_not_found"}, "does not know the model"},
		{"bad key", 401, object{"message": "Incorrect API key provided", "type": "invalid_request_error", "code": "invalid_api_key"}, "refuses the API key"},
		{"no credit", 429, object{"message": "You exceeded your current quota", "type": "insufficient_quota", "code": "insufficient_quota"}, "credit is used up"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := startAimock(t, []any{object{"match": object{"model": "critic"}, "response": object{"status": tt.status, "error": tt.error}}})
			p := a.project(map[string]string{recipe: strings.Replace(aimockRecipe, "FORM", "json_schema", 1), "asks.jsonl": asks(200)})
			r := p.build()
			if r.code != 1 || !strings.Contains(r.stdout, tt.says) {
				t.Errorf("exit %d: %s\n%s", r.code, r.sum.Error, tail(r.stdout))
			}
			// As many as may be in flight at once, by default.
			if n := len(a.journal()); n == 0 || n > 64 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// TestIndependentAzure asks the server in Azure's form.
func TestIndependentAzure(t *testing.T) {
	t.Parallel()
	a := startAimock(t, []any{object{"match": object{"userMessage": "Ask number"}, "response": object{"content": object{"reason": "fine", "score": 3}}}})
	text := strings.NewReplacer("FORM", "json_schema", `provider "openai"`, `provider "azure"`, "provider.openai", "provider.azure").Replace(aimockRecipe)
	p := a.project(map[string]string{recipe: text, "asks.jsonl": asks(10)})
	p.env = append(p.env, "OPENAI_BASE_URL="+a.url)
	got := p.mustBuild().sum
	list := a.journal()
	for _, e := range list {
		if e.Path != "/openai/deployments/critic/chat/completions?api-version=2024-10-21" || e.Response.Status != 200 {
			t.Errorf("%s: status %d", e.Path, e.Response.Status)
		}
	}
	if len(list) != 10 || got.Calls.Made != 10 || got.step(t, "judge.rubric.quality").RowsOut != 10 {
		t.Errorf("%d requests, %d calls", len(list), got.Calls.Made)
	}
}

// TestIndependentBatch has the server do a batch. It does not look at what is
// asked, and answers every line with the same words, which fit nothing: each
// row has its answer, and fails for it.
func TestIndependentBatch(t *testing.T) {
	t.Parallel()
	a := startAimock(t, []any{object{"match": object{"model": "none"}, "response": object{"content": "none"}}})
	text := strings.Replace(aimockRecipe, `  structured = "FORM"`, "  structured    = \"json_schema\"\n  mode          = \"batch\"\n  reply_retries = 0\n  batch {\n    wait = \"1s\"\n  }", 1)
	p := a.project(map[string]string{recipe: text, "asks.jsonl": asks(10)})
	r := p.build()
	if st := r.sum.step(t, "judge.rubric.quality"); r.code != 5 || st.Failed["invalid_reply"] != 10 || r.sum.Calls.Made != 10 {
		t.Errorf("exit %d, %d calls made, failed %v: %s\n%s", r.code, r.sum.Calls.Made, st.Failed, r.sum.Error, tail(r.stderr))
	}
	uploads, chats := 0, 0
	for _, e := range a.journal() {
		switch e.Path {
		case "/v1/files":
			uploads++
		case "/v1/chat/completions":
			chats++
		}
		if e.Response.Status >= 400 {
			t.Errorf("%s: status %d", e.Path, e.Response.Status)
		}
	}
	if uploads == 0 || chats != 0 {
		t.Errorf("%d uploads, %d calls one by one", uploads, chats)
	}
}
