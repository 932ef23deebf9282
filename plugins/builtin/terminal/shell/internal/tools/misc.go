package tools

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

func pwd(c *Call) int {
	dir := c.Dir
	if slices.Contains(c.Args, "-P") {
		if real, err := c.FS.Real(c.Who, dir, true); err == nil {
			dir = real
		}
	}
	c.printf("%s\n", dir)
	return 0
}

func env(c *Call) int {
	f, ok := c.parse("+i,ignore-environment u,unset= 0,null C,chdir= S,split-string= v")
	if !ok {
		return 125
	}
	args := f.args
	if f.has("S") {
		words, err := splitWords(f.get("S"))
		if err != nil {
			return 125
		}
		args = append(words, args...)
	}
	if len(args) > 0 && args[0] == "-" {
		f.values["i"], args = []string{""}, args[1:]
	}
	vars := c.Vars()
	if f.has("i") {
		vars = nil
	}
	vars = slices.DeleteFunc(slices.Clone(vars), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(f.values["u"], name)
	})
	for len(args) > 0 && strings.Contains(args[0], "=") {
		vars, args = append(vars, args[0]), args[1:]
	}
	if len(args) == 0 {
		for _, v := range vars {
			c.printf("%s\n", v)
		}
		return 0
	}
	return c.runOr(Sub{Args: args, In: c.In, Set: vars, Bare: true}, "'%s': No such file or directory")
}

func printenv(c *Call) int {
	if len(c.Args) == 0 {
		return env(c)
	}
	code := 0
	for _, name := range c.Args {
		i := slices.IndexFunc(c.Vars(), func(v string) bool { return strings.HasPrefix(v, name+"=") })
		if i < 0 {
			code = 1
			continue
		}
		c.printf("%s\n", c.Vars()[i][len(name)+1:])
	}
	return code
}

func which(c *Call) int {
	code := 0
	for _, name := range c.Args {
		if strings.HasPrefix(name, "-") {
			continue
		}
		file, ok := c.World.Which(c.Who, c.Env("PATH"), c.Dir, name)
		if !ok || c.FS.Access(c.Who, file, 1) != nil {
			code = 1
			continue
		}
		if c.Name == "whereis" {
			c.printf("%s: %s\n", name, file)
		} else {
			c.printf("%s\n", file)
		}
	}
	return code
}

// prefixed runs the command behind its own options: nohup, nice, timeout and
// their like.
func prefixed(c *Call) int {
	spec := map[string]string{"timeout": "+s,signal= k,kill-after= preserve-status foreground v", "nice": "+n,adjustment=", "ionice": "+c= n= t p=", "stdbuf": "+i= o= e=", "time": "+p v f= o= a", "watch": "+n,interval= d t g e"}[c.Name]
	if spec == "" {
		spec = "+c"
	}
	f, ok := c.parse(spec)
	if !ok {
		return 125
	}
	args := f.args
	if c.Name == "timeout" && len(args) > 0 {
		if _, ok := duration(args[0]); !ok {
			c.errf("invalid time interval '%s'", args[0])
			return 125
		}
		args = args[1:]
	}
	if len(args) == 0 {
		c.errf("missing operand")
		return 125
	}
	if c.Name == "watch" {
		args = []string{"sh", "-c", strings.Join(args, " ")}
	}
	began := c.Now()
	code := c.runOr(Sub{Args: args, In: c.In}, "failed to run command '%s': No such file or directory")
	if limit, ok := duration(f.argOr(0)); c.Name == "timeout" && ok && limit > 0 && c.Now().Sub(began) > limit {
		return 124 // its time is over by the machine's clock, which sleep moves
	}
	return code
}

func (f flags) argOr(i int) string {
	if i < len(f.args) {
		return f.args[i]
	}
	return ""
}

func history(c *Call) int {
	c.mu.Lock()
	lines := slices.Clone(c.World.history)
	if len(c.Args) > 0 && c.Args[0] == "-c" {
		c.World.history = nil
		c.mu.Unlock()
		return 0
	}
	c.mu.Unlock()
	for i, line := range lines {
		c.printf("%5d  %s\n", i+1, line)
	}
	return 0
}

func crontab(c *Call) int {
	f, ok := c.parse("l e r u,user= i")
	if !ok {
		return 1
	}
	user := c.Who.User
	if f.has("u") {
		if !c.Who.Root() && f.get("u") != user {
			c.errf("must be privileged to use -u")
			return 1
		}
		user = f.get("u")
	}
	file := "/var/spool/cron/crontabs/" + user
	_, err := c.FS.Stat(root(), file, true)
	switch {
	case f.has("l") || f.has("r"):
		if err != nil {
			fmt.Fprintf(c.Err, "no crontab for %s\n", user)
			return 1
		}
		if f.has("r") {
			_ = c.FS.Remove(root(), file, false)
			return 0
		}
		data, err := c.FS.ReadFile(root(), file)
		if err != nil {
			return 1
		}
		c.Out.Bytes(data)
		return 0
	case f.has("e"):
		c.errf("an editor is not here; use crontab FILE, or crontab - with the text")
		return 1
	}
	name := "-"
	if len(f.args) > 0 {
		name = f.args[0]
	}
	data, err := c.slurp(name)
	if err != nil {
		c.errf("%s: %s", name, Reason(err))
		return 1
	}
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) > 0 && !strings.HasPrefix(fields[0], "#") && !strings.Contains(fields[0], "=") && !strings.HasPrefix(fields[0], "@") && len(fields) < 6 {
			c.printf("\"%s\": bad minute\nerrors in crontab file, can't install.\n", name)
			return 1
		}
	}
	if err := c.FS.WriteFile(root(), file, data, 0o600); err != nil {
		c.errf("%s", Reason(err))
		return 1
	}
	_ = c.FS.Chown(root(), file, user, "", false)
	return 0
}

func shred(c *Call) int {
	f, ok := c.parse("u,remove? n,iterations= z,zero f,force v,verbose s= x")
	if !ok {
		return 1
	}
	code := 0
	for _, name := range f.args {
		info := c.exists(name, true)
		if info == nil {
			c.errf("%s: failed to open for writing: No such file or directory", name)
			code = 1
			continue
		}
		data := make([]byte, info.Bytes)
		if !f.has("z") {
			for i := range data {
				data[i] = byte(c.Random(256))
			}
		}
		err := c.write(name, data, false)
		if err == nil && f.has("u") {
			err = c.FS.Remove(c.Who, c.abs(name), false)
		}
		if err != nil {
			c.errf("%s: failed to open for writing: %s", name, Reason(err))
			code = 1
		}
	}
	return code
}

func journalctl(c *Call) int {
	for _, file := range []string{"/var/log/journal.log", "/var/log/syslog", "/var/log/messages"} {
		if data, err := c.FS.ReadFile(c.Who, file); err == nil {
			c.Out.Bytes(data)
			return 0
		}
	}
	c.printf("-- No entries --\n")
	return 0
}

func man(c *Call) int {
	if len(c.Args) == 0 {
		fmt.Fprintln(c.Err, "What manual page do you want?\nFor example, try 'man man'.")
		return 1
	}
	name := c.Args[len(c.Args)-1]
	if c.Commands[name] == nil {
		fmt.Fprintf(c.Err, "No manual entry for %s\n", name)
		return 16
	}
	c.printf("%s - the common command of that name\n", name)
	return 0
}

// shutdown and its like would end the machine: that is noted, and nothing else.
func shutdown(c *Call) int {
	if n := c.asRoot(c.Name); n != 0 {
		return n
	}
	c.World.Contact(Contact{Command: c.Name, Line: c.line0(), Host: "(power)"})
	return 0
}

func ulimit(c *Call) int {
	if slices.Contains(c.Args, "-a") {
		c.printf("open files                          (-n) 1024\nmax user processes                  (-u) %d\n", 256)
		return 0
	}
	c.printf("unlimited\n")
	return 0
}

func logger(c *Call) int {
	f, ok := c.parse("t,tag= p,priority= s i f=")
	if !ok {
		return 1
	}
	tag := c.Who.User
	if f.has("t") {
		tag = f.get("t")
	}
	line := fmt.Sprintf("%s %s %s: %s\n", c.Now().Format(time.Stamp), c.World.Hostname, tag, strings.Join(f.args, " "))
	c.Who = root()
	if err := c.write("/var/log/syslog", []byte(line), true); err != nil {
		return 1
	}
	return 0
}

func getent(c *Call) int {
	if len(c.Args) == 0 {
		return 1
	}
	table := "/etc/" + c.Args[0]
	if len(c.Args) == 1 {
		for _, r := range c.table(table) {
			c.printf("%s\n", strings.Join(r, ":"))
		}
		return 0
	}
	code := 0
	for _, name := range c.Args[1:] {
		r := c.row(table, name)
		if r == nil || table == "/etc/shadow" && !c.Who.Root() {
			code = 2
			continue
		}
		c.printf("%s\n", strings.Join(r, ":"))
	}
	return code
}
