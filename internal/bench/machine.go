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

// peers are the build tools to compare with; "" is one that is not installed.
type peers struct{ ninja, snakemake string }

func findPeers(ctx context.Context) peers {
	var p peers
	for name, to := range map[string]*string{"ninja": &p.ninja, "snakemake": &p.snakemake} {
		if path, err := exec.LookPath(name); err == nil && version(ctx, path, "--version") != "" {
			*to = path
		}
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
	return list
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
