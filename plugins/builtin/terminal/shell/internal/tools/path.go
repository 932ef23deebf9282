package tools

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell/internal/vfs"
)

// Which finds a command by name along the PATH.
func (w *World) Which(who vfs.Who, search, dir, name string) (string, bool) {
	if name == "" {
		return "", false
	}
	if strings.Contains(name, "/") {
		file := name
		if !strings.HasPrefix(name, "/") {
			file = strings.TrimSuffix(dir, "/") + "/" + name
		}
		_, err := w.FS.Stat(who, file, true)
		return file, err == nil
	}
	found := ""
	for folder := range strings.SplitSeq(search, ":") {
		if !strings.HasPrefix(folder, "/") {
			folder = strings.TrimSuffix(dir, "/") + "/" + folder
		}
		file := strings.TrimSuffix(folder, "/") + "/" + name
		info, err := w.FS.Stat(who, file, true)
		if err != nil || info.IsDir() {
			continue
		}
		if w.FS.Access(who, file, 1) == nil {
			return file, true
		}
		if found == "" {
			found = file
		}
	}
	return found, found != ""
}

// Unreachable is why a host is not reached: there is no network.
func Unreachable(host string) string {
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return "Network is unreachable"
	}
	return "Temporary failure in name resolution"
}

// Linger says that a job in the background runs on.
func (w *World) Linger(pid, user, command string) {
	n, err := strconv.Atoi(pid)
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.procs {
		if p.PID == n {
			return
		}
	}
	w.procs = append(w.procs, Process{PID: n, User: user, Command: command[:min(len(command), 200)]})
}
