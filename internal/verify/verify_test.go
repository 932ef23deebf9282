package verify

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/internal/publish"
)

func sumOf(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, []byte(content), 0o666)); err != nil {
		t.Fatal(err)
	}
}

// stated is a statement that speaks of files.
func stated(t *testing.T, files map[string]string) string {
	t.Helper()
	s := &publish.Statement{Type: publish.StatementType, PredicateType: publish.PredicateType}
	s.Predicate.BuildDefinition.BuildType = publish.BuildType
	for _, name := range slices.Sorted(maps.Keys(files)) {
		s.Subject = append(s.Subject, publish.Resource{Name: name, Digest: map[string]string{"sha256": sumOf(files[name])}})
	}
	text, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// dataset is a folder with a statement and checksums.
func dataset(t *testing.T) (dir string, files map[string]string) {
	t.Helper()
	dir = t.TempDir()
	files = map[string]string{"README.md": "# Rows\n", "rows/train.jsonl": "{}\n{}\n", "rows/autosafe.json": "{}"}
	seal(t, dir, files, stated(t, files))
	return dir, files
}

// seal writes files, a statement, and checksums that hold for all of them.
func seal(t *testing.T, dir string, files map[string]string, statement string) {
	t.Helper()
	all := maps.Clone(files)
	all[publish.StatementName] = statement
	sums := ""
	for _, name := range slices.Sorted(maps.Keys(all)) {
		write(t, dir, name, all[name])
		sums += sumOf(all[name]) + "  " + name + "\n"
	}
	write(t, dir, publish.SumsName, sums)
}

// noteOf is the note that a build leaves beside a folder's documents.
func noteOf(t *testing.T, dir string) string {
	t.Helper()
	var list []engine.NotedFile
	for _, name := range []string{"README.md", publish.SumsName, publish.StatementName} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, engine.NotedFile{Path: name, MediaType: publish.MediaType(name), Digest: cache.Sum(b), Size: int64(len(b))})
	}
	note, err := engine.DocumentsNote(list, false)
	if err != nil {
		t.Fatal(err)
	}
	return string(note)
}

// run gives the problems of a folder, a line each.
func run(t *testing.T, dir string) string {
	t.Helper()
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := Run(t.Context(), f, nil)
	if err != nil {
		t.Fatal(err)
	}
	lines := ""
	for _, p := range r.Problems {
		lines += p.Subject + ": " + p.What + "\n"
	}
	failed := slices.ContainsFunc(r.Checks, func(c Check) bool { return c.Result == ResultFailed })
	if r.OK() == failed {
		t.Errorf("it is ok (%t), and a check has failed (%t)", r.OK(), failed)
	}
	return lines
}

func TestRun(t *testing.T) {
	sums := func(t *testing.T, dir, old, new string) {
		path := filepath.Join(dir, publish.SumsName)
		b, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(b), old) {
			t.Fatalf("no %q in the list (%v)", old, err)
		}
		write(t, dir, publish.SumsName, strings.ReplaceAll(string(b), old, new))
	}
	tests := []struct {
		name   string
		change func(t *testing.T, dir string, files map[string]string)
		want   []string // each in the problems; nil: there are none
	}{
		{"as it was", func(*testing.T, string, map[string]string) {}, nil},
		{"hidden files are of others", func(t *testing.T, dir string, _ map[string]string) { write(t, dir, ".git/config", "x") }, nil},
		{"a byte", func(t *testing.T, dir string, _ map[string]string) { write(t, dir, "rows/train.jsonl", "{}\n{]\n") },
			[]string{"rows/train.jsonl: it was changed: its SHA-256 is"}},
		{"the list", func(t *testing.T, dir string, files map[string]string) {
			sums(t, dir, sumOf(files["README.md"]), sumOf("other"))
		}, []string{"SHA256SUMS: it was changed: it says of README.md what neither"}},
		{"the statement", func(t *testing.T, dir string, files map[string]string) {
			seal(t, dir, files, strings.Replace(stated(t, files), sumOf(files["README.md"]), sumOf("other"), 1))
		}, []string{"provenance.intoto.json: it says that README.md has the SHA-256"}},
		{"the file and the list", func(t *testing.T, dir string, files map[string]string) {
			statement := stated(t, files)
			files["README.md"] = "# Other\n"
			seal(t, dir, files, statement)
		}, []string{"provenance.intoto.json: it says that README.md has"}},
		{"a statement in another form", func(t *testing.T, dir string, files map[string]string) {
			seal(t, dir, files, strings.Replace(stated(t, files), "  ", " ", 1))
		}, []string{"provenance.intoto.json: it is not in the one form"}},
		{"a statement of something else", func(t *testing.T, dir string, files map[string]string) {
			seal(t, dir, files, strings.Replace(stated(t, files), publish.BuildType, "https://example.org/x", 1))
		}, []string{"provenance.intoto.json: statement: its buildType is"}},
		{"no statement", func(t *testing.T, dir string, _ map[string]string) {
			os.Remove(filepath.Join(dir, publish.StatementName))
		},
			[]string{"provenance.intoto.json: it is missing"}},
		{"a file that only the list has", func(t *testing.T, dir string, files map[string]string) {
			statement := stated(t, files)
			files["more.jsonl"] = "{}\n"
			seal(t, dir, files, statement)
		}, []string{"more.jsonl: SHA256SUMS names it, and the statement does not"}},
		{"a file that only the statement has", func(t *testing.T, dir string, files map[string]string) {
			more := maps.Clone(files)
			more["more.jsonl"] = "{}\n"
			seal(t, dir, files, stated(t, more))
		}, []string{"more.jsonl: the statement names it, and SHA256SUMS does not"}},
		{"a file that nobody has", func(t *testing.T, dir string, _ map[string]string) { write(t, dir, "rows/train-2.jsonl", "{}") },
			[]string{"rows/train-2.jsonl: it is in the folder"}},
		{"the note", func(t *testing.T, dir string, _ map[string]string) {
			write(t, dir, "autosafe.json", `{"files":[{"path":"README.md","sha256":"00"}]}`)
		}, []string{`autosafe.json: it was changed: it says that README.md has the SHA-256 "00"`}},
		{"the note as it was", func(t *testing.T, dir string, _ map[string]string) { write(t, dir, "autosafe.json", noteOf(t, dir)) }, nil},
		{"a note with another mark", func(t *testing.T, dir string, _ map[string]string) {
			write(t, dir, "autosafe.json", strings.Replace(noteOf(t, dir), `"not_for_training": false`, `"not_for_training": true`, 1))
		}, []string{"autosafe.json: it was changed: it is not what autosafe build leaves"}},
		{"a note in another form", func(t *testing.T, dir string, _ map[string]string) {
			write(t, dir, "autosafe.json", strings.Replace(noteOf(t, dir), `"format"`, `"Format"`, 1))
		}, []string{"autosafe.json: it was changed: it is not what autosafe build leaves"}},
		{"a note that lacks a file", func(t *testing.T, dir string, _ map[string]string) {
			write(t, dir, "autosafe.json", strings.Replace(noteOf(t, dir), `"path": "README.md"`, `"path": "README.mx"`, 1))
		}, []string{"autosafe.json: it was changed: it is not what autosafe build leaves"}},
		{"a note that is none", func(t *testing.T, dir string, _ map[string]string) { write(t, dir, "autosafe.json", "{") },
			[]string{"autosafe.json: it cannot be read"}},
		{"a folder for a file", func(t *testing.T, dir string, _ map[string]string) {
			os.Remove(filepath.Join(dir, "README.md"))
			write(t, dir, "README.md/x", "")
		}, []string{"README.md: it is missing", "README.md/x: it is in the folder"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, files := dataset(t)
			tt.change(t, dir, files)
			got := run(t, dir)
			if tt.want == nil && got != "" {
				t.Errorf("problems:\n%s", got)
			}
			for _, want := range tt.want {
				if !strings.Contains(got, want) {
					t.Errorf("problems:\n%s\nwant %q", got, want)
				}
			}
		})
	}
}

// TestHostile gives names that lead out of the folder, and files that are none.
// What lies outside is never read: its digest would be told.
func TestHostile(t *testing.T) {
	outside := t.TempDir()
	write(t, outside, "secret", "secret")
	names := []string{
		"../secret", "/etc/passwd", "rows/../../secret", "./README.md", "rows//train.jsonl", ".", "", "..", "C:/secret", `..\secret`,
		"rows/train.jsonl\x1b[2J", strings.Repeat("x", 2000),
	}
	for _, name := range names {
		t.Run(fmt.Sprintf("%.20q", name), func(t *testing.T) {
			dir, files := dataset(t)
			write(t, dir, publish.SumsName, sumOf("secret")+"  "+name+"\n")
			if got := run(t, dir); !strings.Contains(got, "SHA256SUMS: line 1") || strings.Contains(got, sumOf("secret")) {
				t.Errorf("in the list: %s", got)
			}
			s := map[string]string{name: "secret"}
			maps.Copy(s, files)
			seal(t, dir, files, stated(t, s))
			if got := run(t, dir); !strings.Contains(got, "provenance.intoto.json: ") || !strings.Contains(got, "no name of a file") {
				t.Errorf("in the statement: %s", got)
			}
		})
	}
	lists := map[string]string{
		"an endless line":  strings.Repeat("a", 10_000),
		"no line feed":     sumOf("") + "  README.md",
		"capitals":         strings.ToUpper(sumOf("x")) + "  README.md\n",
		"one space":        sumOf("") + " README.md\n",
		"a name twice":     sumOf("") + "  README.md\n" + sumOf("") + "  README.md\n",
		"zero bytes":       strings.Repeat("\x00", 100) + "\n",
		"a checksum short": sumOf("")[1:] + "  README.md\n",
	}
	for name, text := range lists {
		dir, _ := dataset(t)
		write(t, dir, publish.SumsName, text)
		if got := run(t, dir); !strings.Contains(got, "SHA256SUMS: line ") {
			t.Errorf("%s: %s", name, got)
		}
	}
	if runtime.GOOS == "windows" {
		return // where links are for few
	}
	for name, target := range map[string]string{"out": filepath.Join(outside, "secret"), "beside": "rows/train.jsonl", "to nothing": "nowhere", "to itself": "README.md"} {
		dir, _ := dataset(t)
		os.Remove(filepath.Join(dir, "README.md"))
		if err := os.Symlink(target, filepath.Join(dir, "README.md")); err != nil {
			t.Fatal(err)
		}
		if got := run(t, dir); !strings.Contains(got, "README.md: it is a link") || strings.Contains(got, sumOf("secret")) {
			t.Errorf("a link %s: %s", name, got)
		}
	}
	dir, _ := dataset(t)
	os.RemoveAll(filepath.Join(dir, "rows"))
	if err := os.Symlink(outside, filepath.Join(dir, "rows")); err != nil {
		t.Fatal(err)
	}
	if got := run(t, dir); !strings.Contains(got, "rows/train.jsonl: it is missing") || !strings.Contains(got, "rows: it is in the folder") {
		t.Errorf("a folder that is a link: %s", got)
	}
}

// TestTooLarge gives a statement that would fill the memory. The file takes no
// room on the disk.
func TestTooLarge(t *testing.T) {
	dir, _ := dataset(t)
	if err := os.Truncate(filepath.Join(dir, publish.StatementName), maxText+1); err != nil {
		t.Fatal(err)
	}
	if got := run(t, dir); !strings.Contains(got, "provenance.intoto.json: it is larger than") {
		t.Errorf("%s", got)
	}
}

func TestCompare(t *testing.T) {
	tests := []struct {
		name        string
		have, again map[string]string
		want        string
	}{
		{"equal", map[string]string{"a": "1\n2\n"}, map[string]string{"a": "1\n2\n"}, ""},
		{"a byte", map[string]string{"a": "1\n2\n"}, map[string]string{"a": "1\n3\n"}, "a: it differs from what building again makes, from byte 2 on (line 2)"},
		{"far into it", map[string]string{"a": strings.Repeat("x\n", 50_000) + "y"}, map[string]string{"a": strings.Repeat("x\n", 50_000) + "z"}, "from byte 100000 on (line 50001)"},
		{"shorter", map[string]string{"a": "1"}, map[string]string{"a": "12"}, "a: it ends at byte 1"},
		{"longer", map[string]string{"a": "12"}, map[string]string{"a": "1"}, "a: it goes on after byte 1"},
		{"one less", map[string]string{}, map[string]string{"a": ""}, "a: building again makes it, and it is missing"},
		{"one more", map[string]string{"a": ""}, map[string]string{}, "a: building again does not make it"},
		{"a signature", map[string]string{publish.EnvelopeName: "x", ".gitattributes": "x"}, map[string]string{}, ""},
		{"the list", map[string]string{publish.SumsName: "x"}, map[string]string{publish.SumsName: "y"}, "SHA256SUMS: it differs"},
	}
	for _, tt := range tests {
		var folders [2]*Folder
		for i, files := range []map[string]string{tt.have, tt.again} {
			dir := t.TempDir()
			for name, content := range files {
				write(t, dir, name, content)
			}
			f, err := Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			folders[i] = f
		}
		_, problems, err := Compare(t.Context(), folders[0], folders[1])
		got := ""
		for _, p := range problems {
			got += p.Subject + ": " + p.What
		}
		if err != nil || (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q (%v), want %q", tt.name, got, err, tt.want)
		}
	}
}

// TestCalls has answers in a cache that are not what they should be, though
// every record there is whole.
func TestCalls(t *testing.T) {
	store, err := cache.Open(t.TempDir(), cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	record := func(key cache.Digest, endpoint string) string {
		return fmt.Sprintf(`{"format":"autosafe.answer/1","key":"%s","endpoint":"%s","request":{},"answer":{"content":"","finish_reason":"stop","usage":{}}}`, key, endpoint)
	}
	keys := make([]cache.Digest, 6)
	for i := range keys {
		keys[i] = cache.Digest{byte(i + 1)}
	}
	for i, value := range []string{
		record(keys[0], "offline"), "not JSON", record(keys[0], "offline"), record(keys[3], "openai https://x.example/v1"), record(keys[4], "offline"),
	} {
		if err := store.Put(cache.Calls, keys[i], []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	statement := func(n string, of []cache.Digest) *publish.Statement {
		s := &publish.Statement{}
		s.Predicate.BuildDefinition.ResolvedDependencies = []publish.Resource{{
			Digest: map[string]string{"sha256": publish.CallsDigest(of).String()}, Annotations: map[string]string{"kind": "calls", "count": n},
		}}
		return s
	}
	tests := []struct {
		name string
		s    *publish.Statement
		keys []cache.Digest
		want []string
	}{
		{"one that holds", statement("1", keys[:1]), keys[:1], nil},
		{"all", statement("6", keys), keys, []string{
			"call 02", "not the record of a call", "call 03", "the answer to another call", "call 04", "its key is not that of its request", "call 06", "missing from the cache, or damaged",
		}},
		{"others", statement("1", keys[1:2]), keys[:1], []string{"model calls: the build that the cache remembers rests on 1 calls"}},
		{"another number", statement("2", keys[:1]), keys[:1], []string{`model calls: there are 1, and the statement says "2"`}},
		{"no set", &publish.Statement{}, keys[:1], []string{"provenance.intoto.json: it does not name the set"}},
	}
	for _, tt := range tests {
		problems, err := Calls(t.Context(), tt.s, store, tt.keys)
		got := ""
		for _, p := range problems {
			got += p.Subject + ": " + p.What + "\n"
		}
		if err != nil || (got == "") != (tt.want == nil) || strings.Contains(got, "call 01") || strings.Contains(got, "call 05") {
			t.Errorf("%s: %v\n%s", tt.name, err, got)
		}
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s:\n%s\nwant %q", tt.name, got, want)
			}
		}
	}
}

func TestDefinition(t *testing.T) {
	resource := func(kind, name, digest string, notes ...string) publish.Resource {
		r := publish.Resource{Name: name, Digest: map[string]string{"sha256": digest}, Annotations: map[string]string{"kind": kind}}
		for i := 0; i < len(notes); i += 2 {
			r.Annotations[notes[i]] = notes[i+1]
		}
		return r
	}
	define := func() publish.BuildDefinition {
		d := publish.BuildDefinition{ResolvedDependencies: []publish.Resource{
			resource("lock", "autosafe.lock.hcl", "11"), resource("plugin", "github.com/acme/p", "22"),
			resource("component", "simulator x", "", "code", "v1"), resource("model", "judge", "33", "parameters", `{"temperature":0}`),
			resource("source", "threat_source.x/cases.jsonl", "44"), resource("calls", "model calls", "55"),
		}}
		d.ExternalParameters.Files = []publish.Resource{{Name: "main.hcl", Digest: map[string]string{"sha256": "66"}}}
		d.ExternalParameters.Variables = map[string]string{"n": "5"}
		d.ExternalParameters.Recipe.SHA256 = "77"
		return d
	}
	tests := []struct {
		name   string
		change func(d *publish.BuildDefinition)
		want   string
	}{
		{"nothing", func(*publish.BuildDefinition) {}, ""},
		{"the calls, which are of others", func(d *publish.BuildDefinition) { d.ResolvedDependencies[5].Digest["sha256"] = "x" }, ""},
		{"the lock", func(d *publish.BuildDefinition) { d.ResolvedDependencies[0].Digest["sha256"] = "x" }, "autosafe.lock.hcl: it was changed"},
		{"no lock", func(d *publish.BuildDefinition) { d.ResolvedDependencies = d.ResolvedDependencies[1:] }, "autosafe.lock.hcl: the statement names it"},
		{"a plugin", func(d *publish.BuildDefinition) { d.ResolvedDependencies[1].Digest["sha256"] = "x" }, "plugin github.com/acme/p: it was changed"},
		{"a component", func(d *publish.BuildDefinition) { d.ResolvedDependencies[2].Annotations["code"] = "v2" }, `component simulator x: its code is "v2", and the statement says "v1"`},
		{"a model", func(d *publish.BuildDefinition) { d.ResolvedDependencies[3].Annotations["parameters"] = "{}" }, "model judge: its parameters is"},
		{"a source", func(d *publish.BuildDefinition) { d.ResolvedDependencies[4].Digest["sha256"] = "x" }, "source file threat_source.x/cases.jsonl: it was changed"},
		{"a file", func(d *publish.BuildDefinition) { d.ExternalParameters.Files[0].Digest["sha256"] = "x" }, "recipe file main.hcl: it was changed"},
		{"another file", func(d *publish.BuildDefinition) { d.ExternalParameters.Files[0].Name = "b.hcl" }, "recipe file b.hcl: the recipe has it"},
		{"a variable", func(d *publish.BuildDefinition) { d.ExternalParameters.Variables["n"] = "6" }, "variable n: it is 6, and was 5"},
		{"a new variable", func(d *publish.BuildDefinition) { d.ExternalParameters.Variables["m"] = "6" }, "variable m: the recipe has it"},
		{"the recipe's digest alone", func(d *publish.BuildDefinition) { d.ExternalParameters.Recipe.SHA256 = "x" }, "recipe: it was changed"},
	}
	for _, tt := range tests {
		s := &publish.Statement{}
		s.Predicate.BuildDefinition = define()
		s.Predicate.BuildDefinition.ResolvedDependencies = append(s.Predicate.BuildDefinition.ResolvedDependencies, resource("model", "tuned", "88"))
		now := define()
		tt.change(&now)
		got := ""
		for _, p := range Definition(s, now, []string{"tuned"}) {
			got += p.Subject + ": " + p.What + "\n"
		}
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
