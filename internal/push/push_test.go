package push

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autosafe/autosafe/internal/publish"
)

const testToken = "hf_secretsecret"

// dataset is a published folder with these files, and the list of them.
func dataset(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	sums := ""
	for _, name := range slices.Sorted(maps.Keys(files)) {
		write(t, dir, name, files[name])
		sums += fmt.Sprintf("%x  %s\n", sha256.Sum256([]byte(files[name])), name)
	}
	write(t, dir, publish.SumsName, sums)
	return dir
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, []byte(content), 0o666)); err != nil {
		t.Fatal(err)
	}
}

// everyday are the files of a small dataset.
func everyday() map[string]string {
	return map[string]string{
		"README.md":          "# Safety\n",
		"sft/autosafe.json":  `{"format":"openai_sft","not_for_training":false}`,
		"sft/train.jsonl":    strings.Repeat(`{"messages":[]}`+"\n", 20),
		"data/train.parquet": "PAR1" + strings.Repeat("\x00\x01\x02rows", 900) + "PAR1",
		"data/test.parquet":  "PAR1\x00small",
	}
}

// options are those of tests: they wait for nothing.
func options(endpoint string) Options {
	env := map[string]string{
		"HF_TOKEN": testToken, "AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "awssecret",
	}
	return Options{Endpoint: endpoint, Getenv: func(name string) string { return env[name] }, Wait: time.Millisecond, UserAgent: "autosafe/test"}
}

// counts are the numbers of a report's files by action.
func counts(r *Report) string {
	u, _ := r.Count(Upload)
	s, _ := r.Count(Same)
	d, _ := r.Count(Delete)
	return fmt.Sprintf("%d up, %d same, %d gone", u, s, d)
}

func TestTargets(t *testing.T) {
	good := []string{
		"hf://acme/safety", "hf://datasets/acme/safety", "hf://datasets/acme/safety@v2", "hf://datasets/a-b/c_d.e@refs/pr/3",
		"s3://bucket", "s3://bucket/", "s3://my.bucket-1/a/b c/d",
	}
	for _, target := range good {
		if err := CheckTarget(target); err != nil {
			t.Errorf("%s: %v", target, err)
		}
	}
	bad := map[string]string{
		"":                           "no target",
		"dist":                       "no target",
		"gs://bucket/x":              "no target",
		"https://huggingface.co/a/b": "no target",
		"hf://safety":                "no dataset repository",
		"hf://datasets/acme":         "no dataset repository",
		"hf://models/acme/safety":    "no dataset repository",
		"hf://acme/../x":             "no dataset repository",
		"hf://acme/sa fety":          "no dataset repository",
		"hf://acme/safety@":          "no dataset repository",
		"hf://acme/safety@a b":       "no dataset repository",
		"s3://":                      "no place in a bucket",
		"s3://Bucket/x":              "no place in a bucket",
		"s3://bucket/../x":           "no place in a bucket",
		"s3://bucket//x":             "no place in a bucket",
		"s3://key:secret@bucket/x":   "no place in a bucket",
	}
	for target, want := range bad {
		if err := CheckTarget(target); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", target, err, want)
		}
	}
}

// TestRefused pushes folders that do not hold.
func TestRefused(t *testing.T) {
	tests := []struct {
		name    string
		change  func(dir string)
		allow   bool
		subject string
		want    string
	}{
		{"a byte", func(dir string) { write(t, dir, "sft/train.jsonl", "x") }, false, "sft/train.jsonl", "it was changed"},
		{"a file gone", func(dir string) { os.Remove(filepath.Join(dir, "README.md")) }, false, "README.md", "it is missing"},
		{"no list", func(dir string) { os.Remove(filepath.Join(dir, publish.SumsName)) }, false, publish.SumsName, "it is missing"},
		{"a list of another form", func(dir string) { write(t, dir, publish.SumsName, "README.md\n") }, false, publish.SumsName, "line 1 is not"},
		{"a list that leads out", func(dir string) {
			write(t, dir, publish.SumsName, fmt.Sprintf("%x  ../../etc/passwd\n", sha256.Sum256(nil)))
		}, false, publish.SumsName, "no name of a file in the folder"},
		{"a link", func(dir string) {
			os.Remove(filepath.Join(dir, "README.md"))
			os.Symlink("/etc/hostname", filepath.Join(dir, "README.md"))
		}, false, "README.md", "it is a link"},
		{"the offline model", func(dir string) { offline(t, dir) }, false, "sft/autosafe.json", "not for training"},
		{"the offline model, allowed", func(dir string) { offline(t, dir) }, true, "", ""},
		{"a card that is none", func(dir string) { write(t, dir, "other/autosafe.json", "{") }, false, "other/autosafe.json", "it does not say"},
		{"a signature of nothing", func(dir string) { write(t, dir, publish.EnvelopeName, "{}") }, false, publish.EnvelopeName, "the statement that it signs is missing"},
	}
	for _, tt := range tests {
		dir := dataset(t, everyday())
		tt.change(dir)
		o := options("http://127.0.0.1:1")
		o.AllowOffline, o.DryRun = tt.allow, true
		_, err := Run(t.Context(), dir, "hf://acme/safety", o)
		var refused *RefusedError
		if tt.want == "" {
			if errors.As(err, &refused) {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		if !errors.As(err, &refused) || refused.Problems[0].Subject != tt.subject || !strings.Contains(refused.Problems[0].What, tt.want) {
			t.Errorf("%s: %v, want %s: %s", tt.name, err, tt.subject, tt.want)
		}
	}
}

// offline marks the rows of a dataset as made with the offline model.
func offline(t *testing.T, dir string) {
	const card = `{"not_for_training":true}`
	sums, err := os.ReadFile(filepath.Join(dir, publish.SumsName))
	if err != nil {
		t.Fatal(err)
	}
	old := fmt.Sprintf("%x", sha256.Sum256([]byte(everyday()["sft/autosafe.json"])))
	write(t, dir, "sft/autosafe.json", card)
	write(t, dir, publish.SumsName, strings.Replace(string(sums), old, fmt.Sprintf("%x", sha256.Sum256([]byte(card))), 1))
}

func TestEndpoints(t *testing.T) {
	dir := dataset(t, everyday())
	for endpoint, want := range map[string]string{
		"http://example.com":          "not protected by TLS",
		"https://user:pw@example.com": "takes no user and no password",
		"example.com":                 "not protected by TLS",
		"ftp://127.0.0.1":             "not protected by TLS",
	} {
		for _, target := range []string{"hf://acme/safety", "s3://bucket/x"} {
			_, err := Run(t.Context(), dir, target, options(endpoint))
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "pw") {
				t.Errorf("%s to %s: %v, want %q", target, endpoint, err, want)
			}
		}
	}
}
