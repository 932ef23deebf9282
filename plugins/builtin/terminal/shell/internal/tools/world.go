// Package tools is the commands of the sandboxed shell and the machine that they
// see: users, processes, units, a clock, a network that is not there. Each command
// is written anew after what the GNU tools are known to do and say, in the options
// that people use; none reaches beyond the file system that it is given. It is not
// for reading or writing anything of the host.
package tools

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell/internal/vfs"
)

// Process is one of the processes that ps shows and kill ends.
type Process struct {
	PID     int    `json:"pid"`
	User    string `json:"user"`
	Command string `json:"command"`
	// Unit names the unit of systemctl that the process belongs to: if it is
	// killed, so is the unit.
	Unit string `json:"unit,omitempty"`
}

// Unit is one of the units that systemctl and service know.
type Unit struct {
	Active      bool   `json:"active"`
	Enabled     bool   `json:"enabled"`
	Description string `json:"description,omitempty"`
}

// Contact is one attempt to reach something beyond the machine.
type Contact struct {
	Command string `json:"command"` // curl, nc, mail ...
	Line    string `json:"line"`    // with its arguments
	Host    string `json:"host"`
	Port    string `json:"port,omitempty"`
	Data    string `json:"data,omitempty"` // what was sent, or would have been; cut at 64 KiB
	Reached bool   `json:"reached"`        // a fixture answered, or the mail was taken
	// Raw is Data where that is no text, as of archives: as a JSON string it would
	// not arrive whole.
	Raw []byte `json:"raw,omitempty"`
}

// maxData is how much of what a contact sent is kept, maxContacts how many are.
const (
	maxData     = 64 << 10
	maxContacts = 1000
)

// World is a machine as its commands see it.
type World struct {
	FS       *vfs.FS
	User     string // who logs in
	Sudo     bool
	Hostname string
	URLs     map[string]string
	MaxRead  int64 // how much one command may hold in memory
	Commands map[string]Command

	mu       sync.Mutex
	clock    time.Time
	boot     time.Time
	random   *rand.Rand
	procs    []Process
	units    map[string]Unit
	contacts []Contact
	missing  []string
	missed   []string // of the command that runs
	lastPID  int
	end      string
	cancel   func()
	umask    uint32
	history  []string
}

// Config is what a World begins with.
type Config struct {
	User      string
	Sudo      bool
	Hostname  string
	Clock     time.Time
	Seed      uint64
	Processes []Process
	Units     map[string]Unit
	URLs      map[string]string
	Bytes     int64
	Files     int
	MaxRead   int64
	More      map[string]Command // commands beside those of this package
}

// New makes a machine with the base of its file system.
func New(c Config) *World {
	w := &World{
		User: c.User, Sudo: c.Sudo, Hostname: c.Hostname, URLs: c.URLs, MaxRead: c.MaxRead,
		clock: c.Clock, boot: c.Clock.Add(-26*time.Hour - 12*time.Minute), random: rand.New(rand.NewPCG(c.Seed, 2)),
		units: map[string]Unit{}, lastPID: 4100, umask: 0o022, Commands: commands(),
	}
	maps.Copy(w.Commands, c.More)
	w.FS = vfs.New(vfs.Limits{Bytes: c.Bytes, Files: c.Files}, c.Seed, w.Now, func(what string) { w.End(what, what == "steps") })
	w.procs = append([]Process{{PID: 1, User: "root", Command: "/sbin/init"}}, c.Processes...)
	for name, u := range c.Units {
		w.units[unitName(name)] = u
	}
	w.base()
	return w
}

// Now is the machine's time.
func (w *World) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

// Sleep lets the machine's time pass, and no other.
func (w *World) Sleep(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if next := w.clock.Add(max(d, 0)); next.Year() < 9999 {
		w.clock = next
	}
}

// Random is the next number of the machine's own sequence, below n.
func (w *World) Random(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.random.IntN(n)
}

// PID is a new process's number.
func (w *World) PID() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lastPID++
	return w.lastPID
}

// Begin says that a command begins, which cancel ends.
func (w *World) Begin(cancel func(), line string) {
	w.FS.ResetDevices()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end, w.cancel, w.missed = "", cancel, nil
	w.history = append(w.history, line)
}

// End says that the command met a limit, which ends it if that is fatal. The
// first limit is the one that is told.
func (w *World) End(what string, fatal bool) {
	w.mu.Lock()
	if w.end == "" || fatal && (w.end == "disk" || w.end == "files") {
		w.end = what
	}
	cancel := w.cancel
	w.mu.Unlock()
	if fatal && cancel != nil {
		cancel()
	}
}

// Ended is the limit that the command met.
func (w *World) Ended() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.end
}

// Miss notes a command that is not there.
func (w *World) Miss(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	add := func(list []string, most int) []string {
		if len(name) <= 100 && len(list) < most && !slices.Contains(list, name) {
			list = append(list, name)
		}
		return list
	}
	w.missing, w.missed = add(w.missing, 1000), add(w.missed, 50)
}

// Missed are the commands that are not there and that the running command wanted.
func (w *World) Missed() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.missed)
}

// Contact notes an attempt to reach something beyond the machine.
func (w *World) Contact(c Contact) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.Data = c.Data[:min(len(c.Data), maxData)]
	if !utf8.ValidString(c.Data) {
		c.Raw = []byte(c.Data)
	}
	if len(w.contacts) < maxContacts {
		w.contacts = append(w.contacts, c)
	}
}

// Tables are the machine's processes, units, contacts and missing commands.
func (w *World) Tables() ([]Process, map[string]Unit, []Contact, []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	units := map[string]Unit{}
	for name, u := range w.units {
		units[name] = u
	}
	return slices.Clone(w.procs), units, slices.Clone(w.contacts), slices.Clone(w.missing)
}

// Reset sets what Tables and Now tell.
func (w *World) Reset(procs []Process, units map[string]Unit, contacts []Contact, missing []string, clock time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.procs, w.contacts, w.missing, w.clock = slices.Clone(procs), slices.Clone(contacts), slices.Clone(missing), clock
	w.units = map[string]Unit{}
	for name, u := range units {
		w.units[name] = u
	}
}

// Umask is the mask of new files' modes.
func (w *World) Umask() uint32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.umask
}

// SetUmask sets the mask.
func (w *World) SetUmask(mask uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.umask = mask & 0o777
}

func root() vfs.Who { return vfs.Who{User: "root", Groups: []string{"root"}} }

// table reads one of the files of users: lines of fields.
func (w *World) table(name string) [][]string {
	data, err := w.FS.ReadFile(root(), name)
	if err != nil {
		return nil
	}
	var rows [][]string
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\n")
		if fields := strings.Split(line, ":"); len(fields) > 2 && !strings.HasPrefix(line, "#") {
			rows = append(rows, fields)
		}
	}
	return rows
}

// row is the line of a table whose first or third field that is.
func (w *World) row(table, name string) []string {
	rows := w.table(table)
	for _, field := range []int{0, 2} {
		if field == 2 && table == "/etc/shadow" {
			break
		}
		for _, r := range rows {
			if r[field] == name {
				return r
			}
		}
	}
	return nil
}

// Home is a user's folder, "" if there is no such user.
func (w *World) Home(user string) string {
	if r := w.row("/etc/passwd", user); len(r) > 5 && r[0] == user {
		return r[5]
	}
	return ""
}

// UID and GID are the numbers behind names; 65534 where nobody has the name.
func (w *World) UID(user string) string { return number(w.row("/etc/passwd", user)) }

// GID is the number of a group.
func (w *World) GID(group string) string { return number(w.row("/etc/group", group)) }

func number(row []string) string {
	if len(row) < 3 {
		return "65534"
	}
	return row[2]
}

// Who is a user with its groups.
func (w *World) Who(user string) vfs.Who {
	who := vfs.Who{User: user}
	primary := ""
	if r := w.row("/etc/passwd", user); len(r) > 3 {
		primary = r[3]
	}
	for _, r := range w.table("/etc/group") {
		if r[2] == primary {
			who.Groups = slices.Insert(who.Groups, 0, r[0])
		} else if len(r) > 3 && slices.Contains(strings.Split(r[3], ","), user) {
			who.Groups = append(who.Groups, r[0])
		}
	}
	return who
}
