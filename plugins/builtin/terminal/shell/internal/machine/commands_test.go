package machine

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"
)

// TestAnyArguments calls each command in ways that make no sense: none may panic or
// go on without end, and all may only say so.
func TestAnyArguments(t *testing.T) {
	lines := []string{
		"", "-", "--", "-z", "-9", "--nothing", "--help", "''", "a", "a b", "a b c d", "/", "/etc/passwd", "/etc/passwd /etc/group", "/nothing /nothing", "-n", "-n x", "-n -1 /etc/passwd", "-n 99999999999999999999 /etc/passwd",
		"-c", "-c 3 /etc/passwd", "-d", "-d : /etc/passwd", "-f 1 /etc/passwd", "-f /nothing", "-e", "-r /etc", "-R /etc", "-l", "-t /tmp /etc/passwd", "-i", "-u", "-s", "-w 0 /etc/passwd", "-a", "-x", "-p", "-k", "-m", "-o", "-v", "-b 0 /etc/passwd", "-C /nothing",
		"'[' /etc/passwd", "'\\(' /etc/passwd", "'s/a/b/' /etc/passwd", "'{' /etc/passwd", "+x", "=", "a=b", "1 + ", "'(' 1", "1 / 0", "1 2 3", "-exec", "'-' '-'", "$'\\xff\\xfe'", "/dev/null /dev/zero", "/tmp", "~ ~", "user", "root:root /tmp/x", "777 /tmp/x", "$(printf 'x%.0s' {1..300})",
		"http://a.example", "user@a.example:x y", "-h", "-T", "-S",
	}
	m := newMachine(t)
	all := newMachine(t).World.Commands
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for _, args := range lines {
			if name == "yes" || name == ":" {
				continue
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			if o := m.Run(ctx, name+" "+args+" < /etc/passwd"); o.Code == codeFault {
				t.Errorf("%s %s: %s", name, args, o.Output)
			}
			if ctx.Err() != nil {
				t.Fatalf("%s %s: no limit ended it", name, args)
			}
			cancel()
		}
		if name == "rm" || name == "mv" {
			m = newMachine(t)
		}
	}
	if o := m.Run(t.Context(), "builtin echo alive"); o.Output != "alive\n" {
		t.Errorf("afterwards: %+v", o)
	}
}
