package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// peers are the programs to compare with; "" is one that is not installed.
type peers struct {
	ninja, snakemake string
	node             string
	promptfoo        string // its main module, for node
	noPromptfoo      string // why it is not there
}

func (s *suite) findPeers() peers {
	var p peers
	for name, to := range map[string]*string{"ninja": &p.ninja, "snakemake": &p.snakemake, "node": &p.node} {
		if path, err := exec.LookPath(name); err == nil && version(s.ctx, path, "--version") != "" {
			*to = path
		}
	}
	var err error
	if p.promptfoo, err = s.installPromptfoo(p.node); err != nil {
		p.noPromptfoo = err.Error()
		s.logf("promptfoo is not run: %v", err)
	}
	return p
}

// notInstalled says why a peer is left out, or nothing.
func notInstalled(path string) string {
	if path == "" {
		return "not installed"
	}
	return ""
}

// buildAutosafe builds the program as its users do.
func buildAutosafe(ctx context.Context, dir string) (string, error) {
	name := filepath.Join(dir, "autosafe")
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	out, err := exec.CommandContext(ctx, "go", "build", "-o", name, "github.com/autosafe/autosafe/cmd/autosafe").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return name, nil
}

// version is the first line that a program prints of itself.
func version(ctx context.Context, path string, args ...string) string {
	out, err := exec.CommandContext(ctx, path, args...).Output()
	if err != nil {
		return ""
	}
	line, _, _ := bytes.Cut(out, []byte("\n"))
	return strings.TrimSpace(string(line))
}

// describeMachine says what the figures were taken on and with.
func describeMachine(ctx context.Context, autosafe string, p peers) [][2]string {
	cpu := procLine("/proc/cpuinfo", "model name")
	if cpu == "" {
		cpu = runtime.GOARCH
	}
	list := [][2]string{
		{"Processor", fmt.Sprintf("%s, %d cores", cpu, runtime.NumCPU())},
		{"Memory", orUnknown(procLine("/proc/meminfo", "MemTotal"))},
		{"System", runtime.GOOS + "/" + runtime.GOARCH},
		{"autosafe", orUnknown(version(ctx, autosafe, "version"))},
	}
	for _, tool := range []struct{ name, path, from string }{{"ninja", p.ninja, "ninja-build"}, {"Snakemake", p.snakemake, "snakemake"}} {
		text := "not installed (Debian: `apt-get install " + tool.from + "`)"
		if tool.path != "" {
			text = version(ctx, tool.path, "--version")
		}
		list = append(list, [2]string{tool.name, text})
	}
	if p.promptfoo == "" {
		return append(list, [2]string{"promptfoo", "not run (" + orUnknown(p.noPromptfoo) + ")"})
	}
	return append(list,
		[2]string{"promptfoo", version(ctx, p.node, p.promptfoo, "--version")},
		[2]string{"Node.js", version(ctx, p.node, "--version")})
}

// procLine is the value on the first line of a file that begins with a name.
func procLine(file, name string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}
