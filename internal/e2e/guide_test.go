package e2e

import (
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
)

// guide is the guide for authors of plugins.
const guide = "../../docs/writing-a-plugin.md"

// blocks are the guide's blocks of code in a language.
func blocks(t testing.TB, language string) []string {
	t.Helper()
	var out []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```").FindAllStringSubmatch(readFile(t, guide), -1) {
		out = append(out, m[1])
	}
	return out
}

// TestGuideCommands holds the guide's commands to those that autosafe gives
// for what is to be done next, which TestNewPlugin runs.
func TestGuideCommands(t *testing.T) {
	t.Parallel()
	list := blocks(t, "sh")
	if len(list) < 2 {
		t.Fatalf("the guide has %d blocks of commands", len(list))
	}
	for i, args := range [][]string{{"plugins", "new"}, {"plugins", "new", "-lang", "python"}} {
		args = append(args, "github.com/acme/autosafe-plugin-acme")
		p := newProject(t, nil, map[string]string{"keep": ""})
		cmd := p.command(append(args, "-json")...)
		cmd.Dir = p.dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		want := append([]string{"autosafe " + strings.Join(args, " ")}, nextCommands(t, out)...)
		if got := strings.Split(strings.TrimSpace(list[i]), "\n"); !slices.Equal(got, want) {
			t.Errorf("the guide says\n%s\nand autosafe says\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if len(want) > mostCommands {
			t.Errorf("%d commands lead to a running recipe, want %d at most", len(want), mostCommands)
		}
	}
}

// beside is what the guide's code in Go takes for granted.
const beside = `package guide

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
	"github.com/autosafe/autosafe/plugins/sdk/sdktest"
	"github.com/autosafe/autosafe/spec/ots"
)

var cmd exec.Cmd

func plugin() sdk.Plugin {
	return sdk.Plugin{
		Name: "example.com/guide", Version: "1.0.0",
		Simulators: map[string]sdk.Component{"words": sdk.Rows(words, sdk.Doc("Counts words."), sdk.Deterministic())},
	}
}

func TestOthers(t *testing.T) {
	p := plugin()
	p.Simulators = map[string]sdk.Component{"ranks": ranker()}
	p.Judges = map[string]sdk.Component{"tone": sdk.Rows(judge), "manners": sdk.Rows(votes)}
	p.Evaluations = map[string]sdk.Component{"asks": sdk.Rows(asksBack)}
	if _, err := sdk.Describe(p); err != nil {
		t.Error(err)
	}
	if err := look("absent"); err == nil {
		t.Error("nothing is there, and yet it was found")
	}
	r := sdktest.Run(t, p, sdk.Simulator, "ranks", "{}", []string{` + "`{\"instruction\":\"ab\"}`, `{\"instruction\":\"a\"}`, `{\"instruction\":\"ab\"}`" + `}, nil)
	if len(r.Rows()) != 2 || r.Rows()[0] != ` + "`{\"rank\":1}`" + ` {
		t.Errorf("ranks are %q", r.Rows())
	}
}
`

// TestGuideGo builds all of the guide's code in Go but the first program,
// which internal/doctest runs, and runs its tests.
func TestGuideGo(t *testing.T) {
	t.Parallel()
	code := beside
	for i, block := range blocks(t, "go") {
		if strings.HasPrefix(block, "package main") {
			continue
		}
		if _, err := parser.ParseFile(token.NewFileSet(), "", "package x\n"+block, 0); err != nil { // statements
			block = "func _() {\n" + block + "}\n"
		}
		if formatted, err := format.Source([]byte(block)); err != nil || string(formatted) != block && !strings.HasPrefix(block, "func _()") {
			t.Errorf("block %d is not as gofmt would write it: %v\n%s", i, err, formatted)
		}
		code += "\n" + block
	}
	file := filepath.Join(t.TempDir(), "guide_test.go")
	if err := os.WriteFile(file, []byte(code), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"vet", file}, {"test", file}} {
		cmd := exec.Command("go", args...)
		cmd.Dir = "../.."
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("go %s: %v\n%s", args[0], err, out)
		}
	}
}

// TestGuidePython packs the guide's plugins in Python and holds them to the
// protocol, with the guide's cases.
func TestGuidePython(t *testing.T) {
	t.Parallel()
	interpreter := python(t)
	var cases string
	for _, block := range blocks(t, "hcl") {
		if strings.HasPrefix(block, "case ") {
			cases = block
		}
	}
	if cases == "" {
		t.Fatal("the guide has no cases")
	}
	list := blocks(t, "python")
	if len(list) != 3 {
		t.Fatalf("the guide has %d plugins in Python, want 3", len(list))
	}
	for i, block := range list {
		p := newProject(t, nil, map[string]string{"plugin.py": block, "conformance.hcl": `case "threat_source" "tickets" { config = { queue = "q" } }`})
		if strings.Contains(block, "def tone(") {
			p.write("conformance.hcl", cases)
		}
		if strings.Contains(block, "def asks_back(") {
			p.write("conformance.hcl", `case "evaluation" "asks_back" {
  config = { model = "model" }
  rows   = [{ instruction = "Close the ticket." }]
  reply  = "Which one?"
}`)
		}
		pack(t, interpreter, filepath.Join(p.dir, "plugin.py"), filepath.Join(p.dir, "plugin"))
		cmd := p.command("plugins", "test", "plugin")
		cmd.Dir = p.dir
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "/run\n") {
			t.Errorf("plugin %d: %v\n%s", i, err, out)
		}
	}
}

// pack makes a plugin of a file in Python.
func pack(t testing.TB, interpreter, main, to string) {
	t.Helper()
	module, err := filepath.Abs(filepath.Join("..", "..", "plugins", "sdk", "python"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(interpreter, "-m", "autosafe_plugin.build", "-p", interpreter, main, to)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+module, "PYTHONDONTWRITEBYTECODE=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("packing %s: %v\n%s", main, err, out)
	}
}

// TestPythonProtocol holds the messages of the module in Python to the
// protocol: go generate ./plugins/sdk makes both.
func TestPythonProtocol(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(python(t), "-c", "import sys; from autosafe_plugin import plugin_pb2; sys.stdout.buffer.write(plugin_pb2.DESCRIPTOR.serialized_pb)")
	cmd.Env = append(os.Environ(), "PYTHONPATH="+filepath.Join("..", "..", "plugins", "sdk", "python"), "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var got descriptorpb.FileDescriptorProto
	if err := proto.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	want := protodesc.ToFileDescriptorProto(pluginpb.File_autosafe_plugin_v1_plugin_proto)
	got.Name = want.Name // it is made from another folder
	var withoutNames func(messages []*descriptorpb.DescriptorProto)
	withoutNames = func(messages []*descriptorpb.DescriptorProto) {
		for _, m := range messages {
			for _, f := range m.GetField() {
				f.JsonName = nil // which one compiler fills in and the other leaves out
			}
			withoutNames(m.GetNestedType())
		}
	}
	withoutNames(got.GetMessageType())
	withoutNames(want.GetMessageType())
	if !proto.Equal(&got, want) {
		t.Error("the module in Python speaks another protocol; go generate ./plugins/sdk makes it anew")
	}
}
