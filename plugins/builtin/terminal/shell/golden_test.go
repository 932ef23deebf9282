package shell

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what commands say to testdata")

// TestGolden runs sessions: the text above an archive's files is commands, each
// behind "$ ", and what they say. The files are the fixture; a file's name may end
// in words such as mode=755 owner=root link, and one that is called options holds
// words such as sudo or user=root.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no sessions in testdata: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			archive := txtar.Parse(text)
			l, err := NewLocal(options(t, archive))
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, command := range commandLines(string(archive.Comment)) {
				if strings.HasPrefix(command, "#") || strings.TrimSpace(command) == "" {
					got.WriteString(command + "\n")
					continue
				}
				got.WriteString("$ " + strings.ReplaceAll(command, "\n", "\n> ") + "\n")
				r := l.Run(t.Context(), command)
				got.WriteString(r.Output)
				if r.Output != "" && !strings.HasSuffix(r.Output, "\n") {
					got.WriteString("[no end of line]\n")
				}
				if r.ExitCode != 0 || r.Ended != "" {
					got.WriteString("[" + strings.TrimSpace(itoa(r.ExitCode)+" "+r.Ended) + "]\n")
				}
			}
			want := string(archive.Comment)
			if *update && got.String() != want {
				archive.Comment = []byte(got.String())
				if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got.String() != want {
				t.Errorf("the session went\n%s\nand not as in %s (-update writes it)", firstDifference(got.String(), want), file)
			}
		})
	}
}

// commandLines are the commands and the comments of a session.
func commandLines(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "$ "):
			lines = append(lines, line[2:])
		case strings.HasPrefix(line, "> ") && len(lines) > 0:
			lines[len(lines)-1] += "\n" + line[2:]
		case strings.HasPrefix(line, "# "):
			lines = append(lines, line)
		}
	}
	return lines
}

func firstDifference(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range a {
		if i >= len(b) || a[i] != b[i] {
			other := "(nothing)"
			if i < len(b) {
				other = b[i]
			}
			return strings.Join(a[max(i-3, 0):i+1], "\n") + "\n(where it was: " + other + ")"
		}
	}
	return "(shorter than it was)"
}

func options(t *testing.T, archive *txtar.Archive) Options {
	t.Helper()
	o := Options{
		Fixture:   Fixture{},
		Processes: []Process{{PID: 812, User: "root", Command: "/usr/sbin/nginx -g daemon", Unit: "nginx"}, {PID: 900, User: "user", Command: "python3 train.py --epochs 3"}},
		Units:     map[string]Unit{"nginx": {Active: true, Enabled: true, Description: "A web server"}, "backup.timer": {Enabled: true}},
		URLs:      map[string]string{"http://example.com/list.txt": "one\ntwo\n"},
	}
	for _, f := range archive.Files {
		if f.Name == "options" {
			for word := range strings.FieldsSeq(string(f.Data)) {
				name, value, _ := strings.Cut(word, "=")
				switch name {
				case "sudo":
					o.Sudo = true
				case "user":
					o.User = value
				default:
					t.Fatalf("unknown option %s", word)
				}
			}
			continue
		}
		words := strings.Fields(f.Name)
		entry := File{Content: string(f.Data)}
		for _, word := range words[1:] {
			name, value, _ := strings.Cut(word, "=")
			switch name {
			case "mode":
				for _, digit := range value {
					entry.Mode = entry.Mode*8 + uint32(digit-'0')
				}
			case "owner":
				entry.Owner = value
			case "link":
				entry = File{Target: value}
			case "dir":
				entry = File{Dir: true, Mode: entry.Mode, Owner: entry.Owner}
			default:
				t.Fatalf("unknown word %s", word)
			}
		}
		o.Fixture[words[0]] = entry
	}
	return o
}
