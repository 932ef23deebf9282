package main

import (
	"bufio"
	"crypto/sha256"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// promptfooFiles say which promptfoo is installed, and what all that it needs
// must hash to.
//
//go:embed testdata/promptfoo
var promptfooFiles embed.FS

// installPromptfoo gives promptfoo's main module, and installs it if that was
// not done before. The program that npm links only looks at Node's version
// before it runs this module.
func (s *suite) installPromptfoo(node string) (string, error) {
	if node == "" {
		return "", errors.New("no Node.js is installed")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	digest := sha256.New()
	files := map[string]string{}
	for _, name := range []string{"package.json", "package-lock.json"} {
		b, err := promptfooFiles.ReadFile("testdata/promptfoo/" + name)
		if err != nil {
			return "", err
		}
		digest.Write(b)
		files[name] = string(b)
	}
	dir := filepath.Join(cache, "autosafe-bench", fmt.Sprintf("promptfoo-%x", digest.Sum(nil)[:6]))
	main := filepath.Join(dir, "node_modules", "promptfoo", "dist", "src", "main.js")
	whole := filepath.Join(dir, "whole") // what is cut off must not pass for that
	if _, err := os.Stat(whole); err == nil {
		return main, nil
	}
	if s.quick {
		return "", errors.New("not installed, and -quick does not install it")
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", errors.New("npm is not installed")
	}
	s.logf("installing promptfoo (1.9 GB) in %s", dir)
	if err := errors.Join(os.RemoveAll(dir), writeFiles(dir, files)); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(s.ctx, npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		first, _, _ := strings.Cut(strings.TrimSpace(string(tail(out))), "\n")
		return "", fmt.Errorf("npm install: %w: %s", err, first)
	}
	return main, os.WriteFile(whole, nil, 0o666)
}

// promptfoo asks a model about each of the rows and looks for words in what
// it says.
func (s *suite) promptfoo(rows string, width int) (*contender, error) {
	c := &contender{name: "promptfoo", missing: s.peers.noPromptfoo, peer: true}
	if s.peers.promptfoo == "" {
		if c.missing == "" {
			c.missing = "not installed"
		}
		c.missing = "not run: " + c.missing
		return c, nil
	}
	dir := s.path("promptfoo-" + strings.TrimSuffix(filepath.Base(rows), ".jsonl"))
	config, err := s.promptfooConfig(rows)
	if err != nil {
		return c, err
	}
	if err := writeFiles(dir, map[string]string{"promptfooconfig.json": config}); err != nil {
		return c, err
	}
	home := filepath.Join(dir, "home")
	c.prepare = func(int) error { return remake(home) }
	c.command = command{
		dir: dir,
		args: []string{
			s.peers.node, s.peers.promptfoo, "eval", "-c", "promptfooconfig.json", "-j", strconv.Itoa(width),
			"--no-cache", "--no-progress-bar", "--no-table", "-o", "out.json",
		},
		env: []string{
			"PROMPTFOO_DISABLE_TELEMETRY=1", "PROMPTFOO_DISABLE_UPDATE=1", "PROMPTFOO_DISABLE_REMOTE_GENERATION=1",
			"PROMPTFOO_SELF_HOSTED=1", "PROMPTFOO_FAILED_TEST_EXIT_CODE=0", "PROMPTFOO_CONFIG_DIR=" + home,
		},
	}
	return c, nil
}

func (s *suite) promptfooConfig(rows string) (string, error) {
	f, err := os.Open(rows)
	if err != nil {
		return "", err
	}
	defer f.Close()
	type object = map[string]any
	var tests []object
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var row struct {
			Text string `json:"text"`
		}
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			return "", err
		}
		tests = append(tests, object{"vars": object{"text": row.Text}})
	}
	b, err := json.Marshal(object{
		"prompts": []string{"How good is this text?\n{{text}}"},
		"providers": []object{{
			"id":     "openai:chat:judge-1",
			"config": object{"apiBaseUrl": s.endpoint.url(), "apiKey": "none", "temperature": 0, "max_tokens": 64},
		}},
		"defaultTest": object{"assert": []object{{"type": "contains", "value": "can't help"}}},
		"tests":       tests,
	})
	return string(b), errors.Join(err, lines.Err())
}
