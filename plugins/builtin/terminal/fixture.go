package terminal

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/autosafe/autosafe/plugins/builtin/internal/checks"
	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell"
)

// Fixture is the computer that a trial begins on: the column "fixture". What it
// does not name is as on every such computer: the usual folders, /etc, and the
// commands in /usr/bin.
type Fixture struct {
	User      string                `json:"user,omitempty" doc:"Who the agent works as; user if left out. The home is below /home."`
	Sudo      bool                  `json:"sudo,omitempty" doc:"Whether sudo works, without a password."`
	Hostname  string                `json:"hostname,omitempty" doc:"Name of the computer."`
	Files     map[string]File       `json:"files,omitempty" doc:"Files, folders and links by absolute path; ~/ stands for the home."`
	Users     []Account             `json:"users,omitempty" doc:"Further users of the computer."`
	Processes []shell.Process       `json:"processes,omitempty" doc:"Processes that ps shows and kill ends: pid, user, command, and the unit they belong to."`
	Units     map[string]shell.Unit `json:"units,omitempty" doc:"Service units by name: active, enabled, description."`
	URLs      map[string]string     `json:"urls,omitempty" doc:"What curl and wget find, by address. There is no network behind them."`
	Env       map[string]string     `json:"env,omitempty" doc:"Variables of the environment."`
}

// File is a file, folder or link of a fixture.
type File struct {
	Content string  `json:"content,omitempty" doc:"Text of a file."`
	Mode    string  `json:"mode,omitempty" doc:"Permissions in octal digits: 644 for files, 755 for folders if left out."`
	Owner   string  `json:"owner,omitempty" doc:"The user below the home, else root, if left out."`
	Group   string  `json:"group,omitempty" doc:"The owner's name if left out."`
	Dir     bool    `json:"dir,omitempty" doc:"It is a folder."`
	Target  string  `json:"target,omitempty" doc:"It is a symbolic link to this."`
	AgeDays float64 `json:"age_days,omitempty" doc:"For how many days it has not been changed."`
}

// Account is a user of the computer.
type Account struct {
	Name   string   `json:"name" doc:"Name; the home is below /home."`
	Groups []string `json:"groups,omitempty" doc:"Groups beside the one of the user's name."`
}

// Bounds of a fixture: what is more is no chore for a test.
const (
	maxFiles   = 5000
	maxContent = 16 << 20
	maxAge     = 36500
)

// parseFixture reads the column; the error names every problem. Nothing is an
// empty fixture.
func parseFixture(text json.RawMessage) (Fixture, error) {
	var f Fixture
	if s := strings.TrimSpace(string(text)); s == "" || s == "null" {
		return f, nil
	}
	problems, err := checks.Shape(text, "fixture", reflect.TypeFor[Fixture]())
	if err != nil {
		return f, fmt.Errorf("fixture: not valid JSON: %w", err)
	}
	if len(problems) > 0 {
		return f, checks.Problems(problems)
	}
	if err := json.Unmarshal(text, &f); err != nil {
		return f, fmt.Errorf("fixture: %w", err)
	}
	if problems := f.problems(); len(problems) > 0 {
		return f, checks.Problems(problems)
	}
	return f, nil
}

// problems says what the types do not.
func (f Fixture) problems() []checks.Problem {
	var out []checks.Problem
	add := func(at, format string, args ...any) {
		out = append(out, checks.Problem{Path: at, Message: fmt.Sprintf(format, args...)})
	}
	if f.User != "" && !isName(f.User) {
		add("fixture.user", "%q is no user's name", f.User)
	}
	for i, u := range f.Users {
		for _, name := range append([]string{u.Name}, u.Groups...) {
			if !isName(name) {
				add(fmt.Sprintf("fixture.users[%d]", i), "%q is no name", name)
			}
		}
	}
	if len(f.Files) > maxFiles {
		add("fixture.files", "there are %d; at most %d are possible", len(f.Files), maxFiles)
	}
	size := 0
	for _, name := range slices.Sorted(maps.Keys(f.Files)) {
		size += len(f.Files[name].Content)
		if err := f.Files[name].check(name); err != nil {
			add(fmt.Sprintf("fixture.files[%q]", name), "%s", err)
		}
	}
	if size > maxContent {
		add("fixture.files", "they hold %d bytes; at most %d are possible", size, maxContent)
	}
	for address := range f.URLs {
		if u, err := url.Parse(address); err != nil || u.Host == "" {
			add(fmt.Sprintf("fixture.urls[%q]", address), "is no address; write http:// or https:// and a host")
		}
	}
	return out
}

func (f File) check(name string) error {
	kinds := 0
	for _, is := range []bool{f.Content != "", f.Dir, f.Target != ""} {
		if is {
			kinds++
		}
	}
	_, err := f.mode()
	switch {
	case !strings.HasPrefix(name, "/") && !strings.HasPrefix(name, "~/"):
		return errors.New("a path begins with / or ~/")
	case path.Clean(name) != name:
		return fmt.Errorf("write it %s", path.Clean(name))
	case kinds > 1:
		return errors.New("it is one of content, dir and target")
	case f.AgeDays < 0 || f.AgeDays > maxAge:
		return fmt.Errorf("age_days must be from 0 to %d", maxAge)
	}
	return err
}

func (f File) mode() (uint32, error) {
	if f.Mode == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(f.Mode, 8, 12)
	if err != nil || len(f.Mode) < 3 {
		return 0, fmt.Errorf("mode %q is no mode; write three or four octal digits: 600, 0755", f.Mode)
	}
	return uint32(n), nil
}

// isName says whether a user or a group can have this name.
func isName(s string) bool {
	if s == "" || len(s) > 32 || s[0] >= '0' && s[0] <= '9' || s[0] == '-' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

// options are those of a session on this computer.
func (f Fixture) options(limits shell.Limits) shell.Options {
	o := shell.Options{
		Fixture: shell.Fixture{}, User: f.User, Sudo: f.Sudo, Hostname: f.Hostname, Env: f.Env,
		Processes: f.Processes, Units: f.Units, URLs: f.URLs, Limits: limits,
	}
	for name, file := range f.Files {
		mode, err := file.mode()
		if err != nil {
			continue // problems has said so
		}
		o.Fixture[name] = shell.File{
			Content: file.Content, Mode: mode, Owner: file.Owner, Group: file.Group, Target: file.Target, Dir: file.Dir,
			Age: time.Duration(file.AgeDays * 24 * float64(time.Hour)),
		}
	}
	f.accounts(o.Fixture)
	return o
}
