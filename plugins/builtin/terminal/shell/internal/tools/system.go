package tools

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func uname(c *Call) int {
	f, ok := c.parse("a,all s,kernel-name n,nodename r,kernel-release v,kernel-version m,machine p,processor i o,operating-system")
	if !ok {
		return 1
	}
	parts := []struct{ flag, text string }{{"s", "Linux"}, {"n", c.Hostname}, {"r", "6.1.0-28-amd64"}, {"v", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.119-1 (2024-11-22)"}, {"m", "x86_64"}, {"o", "GNU/Linux"}}
	var words []string
	for _, p := range parts {
		if f.has("a") || f.has(p.flag) || len(f.order) == 0 && p.flag == "s" || p.flag == "m" && (f.has("p") || f.has("i")) {
			words = append(words, p.text)
		}
	}
	c.printf("%s\n", strings.Join(words, " "))
	return 0
}

func hostname(c *Call) int {
	if len(c.Args) > 0 && !strings.HasPrefix(c.Args[0], "-") {
		if !c.Who.Root() {
			c.errf("you must be root to change the host name")
			return 1
		}
		c.World.Hostname = c.Args[0]
		return 0
	}
	if slices.Contains(c.Args, "-I") {
		c.printf("192.0.2.10 \n")
		return 0
	}
	c.printf("%s\n", c.World.Hostname)
	return 0
}

func whoami(c *Call) int { c.printf("%s\n", c.Who.User); return 0 }

func id(c *Call) int {
	f, ok := c.parse("u,user g,group G,groups n,name r a z")
	if !ok {
		return 1
	}
	user := c.Who.User
	if len(f.args) > 0 {
		r := c.row("/etc/passwd", f.args[0])
		if r == nil {
			c.errf("'%s': no such user", f.args[0])
			return 1
		}
		user = r[0]
	}
	groups := c.World.Who(user).Groups
	name := func(kind, text string) string {
		if f.has("n") {
			return text
		}
		if kind == "u" {
			return c.UID(text)
		}
		return c.GID(text)
	}
	primary := user
	if len(groups) > 0 {
		primary = groups[0]
	}
	switch {
	case f.has("u"):
		c.printf("%s\n", name("u", user))
	case f.has("g"):
		c.printf("%s\n", name("g", primary))
	case f.has("G"):
		var all []string
		for _, g := range groups {
			all = append(all, name("g", g))
		}
		c.printf("%s\n", strings.Join(all, " "))
	default:
		var all []string
		for _, g := range groups {
			all = append(all, c.GID(g)+"("+g+")")
		}
		c.printf("uid=%s(%s) gid=%s(%s) groups=%s\n", c.UID(user), user, c.GID(primary), primary, strings.Join(all, ","))
	}
	return 0
}

func groups(c *Call) int {
	if len(c.Args) == 0 {
		c.printf("%s\n", strings.Join(c.World.Who(c.Who.User).Groups, " "))
	}
	for _, user := range c.Args {
		if c.row("/etc/passwd", user) == nil {
			c.errf("'%s': no such user", user)
			return 1
		}
		c.printf("%s : %s\n", user, strings.Join(c.World.Who(user).Groups, " "))
	}
	return 0
}

func who(c *Call) int {
	at := c.boot.Format("2006-01-02 15:04")
	if c.Name == "users" {
		c.printf("%s\n", c.User)
	} else {
		c.printf("%-8s pts/0        %s (192.0.2.1)\n", c.User, at)
	}
	return 0
}

func uptime(c *Call) int {
	up := c.Now().Sub(c.boot)
	days := int(up.Hours()) / 24
	c.printf(" %s up %s, %2d:%02d,  1 user,  load average: 0.08, 0.03, 0.01\n", c.Now().Format("15:04:05"), plural(days, "day", "", "s"), int(up.Hours())%24, int(up.Minutes())%60)
	return 0
}

func free(c *Call) int {
	if slices.Contains(c.Args, "-h") {
		c.printf("               total        used        free      shared  buff/cache   available\nMem:           7.8Gi       1.2Gi       5.1Gi        12Mi       1.5Gi       6.4Gi\nSwap:             0B          0B          0B\n")
		return 0
	}
	c.printf("               total        used        free      shared  buff/cache   available\nMem:         8148932     1258720     5347244       12304     1542968     6710212\nSwap:              0           0           0\n")
	return 0
}

// running are the processes with the shell and what it runs.
func (c *Call) running() []Process {
	procs, _, _, _ := c.Tables()
	procs = append(procs, Process{PID: 4100, User: c.User, Command: "-bash"})
	slices.SortStableFunc(procs, func(a, b Process) int { return a.PID - b.PID })
	return procs
}

func ps(c *Call) int {
	args := strings.Join(c.Args, " ")
	all := strings.ContainsAny(args, "aAexu")
	full := strings.Contains(args, "f")
	bsd := strings.Contains(args, "u") && !strings.HasPrefix(args, "-u")
	user := ""
	pid := 0
	format := ""
	for i, a := range c.Args {
		if i+1 < len(c.Args) {
			switch a {
			case "-u", "-U", "--user":
				user = c.Args[i+1]
			case "-p", "--pid":
				pid, _ = strconv.Atoi(c.Args[i+1])
				all = true
			case "-o", "-eo", "-o=":
				format = c.Args[i+1]
			}
		}
	}
	procs := slices.DeleteFunc(c.running(), func(p Process) bool {
		mine := p.User == c.User && (p.PID == 4100 || all)
		return user != "" && p.User != user || pid != 0 && p.PID != pid || !all && user == "" && !mine
	})
	start := c.boot.Format("Jan02")
	if format != "" {
		c.psFormat(procs, strings.Split(strings.ReplaceAll(format, "=", ""), ","))
		return 0
	}
	switch {
	case bsd:
		c.printf("USER         PID %%CPU %%MEM    VSZ   RSS TTY      STAT START   TIME COMMAND\n")
		for _, p := range procs {
			c.printf("%-8s %7d  0.0  0.1  10000  4000 ?        S    %s   0:00 %s\n", p.User, p.PID, start, p.Command)
		}
	case full:
		c.printf("UID          PID    PPID  C STIME TTY          TIME CMD\n")
		for _, p := range procs {
			c.printf("%-8s %7d       1  0 %s ?        00:00:00 %s\n", p.User, p.PID, start, p.Command)
		}
	default:
		c.printf("    PID TTY          TIME CMD\n")
		for _, p := range procs {
			c.printf("%7d ?        00:00:00 %s\n", p.PID, processName(p))
		}
	}
	if pid != 0 && len(procs) == 0 {
		return 1
	}
	return 0
}

func (c *Call) psFormat(procs []Process, columns []string) {
	rows := [][]string{{}}
	for _, col := range columns {
		rows[0] = append(rows[0], strings.ToUpper(map[string]string{"cmd": "CMD", "args": "COMMAND", "command": "COMMAND", "comm": "COMMAND"}[col]+map[bool]string{true: col}[col != "cmd" && col != "args" && col != "command" && col != "comm"]))
	}
	for _, p := range procs {
		var row []string
		for _, col := range columns {
			row = append(row, map[string]string{"pid": strconv.Itoa(p.PID), "user": p.User, "cmd": p.Command, "args": p.Command, "command": p.Command, "comm": processName(p), "ppid": "1", "stat": "S", "etime": "01:00", "%cpu": "0.0", "%mem": "0.1", "pcpu": "0.0", "pmem": "0.1", "tty": "?", "time": "00:00:00"}[col])
		}
		rows = append(rows, row)
	}
	c.columns(rows, true)
}

// processName is the name of a process's program.
func processName(p Process) string {
	name, _, _ := strings.Cut(p.Command, " ")
	name = strings.TrimSuffix(strings.TrimPrefix(name, "-"), ":")
	return name[strings.LastIndexByte(name, '/')+1:]
}

// end ends a process and the unit that it is of. It says why it cannot.
func (c *Call) end(pid int, signal string) string {
	if pid == 4100 || pid == 4099 {
		return ""
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.procs, func(p Process) bool { return p.PID == pid })
	switch {
	case i < 0:
		return "No such process"
	case !c.Who.Root() && c.procs[i].User != c.Who.User:
		return "Operation not permitted"
	case pid == 1, signal == "0", signal == "HUP", signal == "1", signal == "USR1", signal == "USR2", signal == "10", signal == "12", signal == "STOP", signal == "CONT", signal == "19", signal == "18":
		return ""
	}
	if unit := unitName(c.procs[i].Unit); c.procs[i].Unit != "" {
		u := c.units[unit]
		u.Active = false
		c.units[unit] = u
	}
	c.procs = slices.Delete(c.procs, i, i+1)
	return ""
}

func kill(c *Call) int {
	args := c.Args
	signal := "TERM"
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
		switch flag := args[0]; {
		case flag == "-l" || flag == "-L":
			c.printf(" 1) SIGHUP	 2) SIGINT	 3) SIGQUIT	 9) SIGKILL	15) SIGTERM\n")
			return 0
		case flag == "--":
		case (flag == "-s" || flag == "-n") && len(args) > 1:
			signal = strings.TrimPrefix(args[1], "SIG")
			args = args[1:]
		default:
			signal = strings.TrimPrefix(flag[1:], "SIG")
		}
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprintln(c.Err, "kill: usage: kill [-s sigspec | -n signum | -sigspec] pid | jobspec ... or kill -l [sigspec]")
		return 2
	}
	code := 0
	for _, arg := range args {
		pid, err := strconv.Atoi(arg)
		if err != nil {
			fmt.Fprintf(c.Err, "bash: kill: %s: arguments must be process or job IDs\n", arg)
			code = 1
			continue
		}
		if why := c.end(pid, signal); why != "" {
			fmt.Fprintf(c.Err, "bash: kill: (%d) - %s\n", pid, why)
			code = 1
		}
	}
	return code
}

func pkill(c *Call) int {
	args := c.Args
	signal := "TERM"
	if c.Name != "pgrep" {
		if len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' && (args[0][1] >= '0' && args[0][1] <= '9' || args[0][1] >= 'A' && args[0][1] <= 'Z') {
			signal, args = strings.TrimPrefix(args[0][1:], "SIG"), args[1:]
		}
	}
	c.Args = args
	f, ok := c.parse("f,full x,exact u,euid,user= l,list-name a,list-full i,ignore-case c,count n,newest o,oldest v w q e,echo signal= s= U= g= P= t= wait")
	if !ok {
		return 2
	}
	if len(f.args) == 0 && !f.has("u") {
		c.errf("no matching criteria specified\nTry `%s --help' for more information.", c.Name)
		return 2
	}
	matched, code := 0, 1
	for _, name := range append(f.args, map[bool][]string{true: {""}}[len(f.args) == 0]...) {
		kind := byte('E')
		if c.Name == "killall" {
			kind = 'F'
		}
		re, err := compile(name, kind, f.has("i"))
		if err != nil {
			c.errf("%s", err)
			return 2
		}
		here := 0
		for _, p := range c.running() {
			if p.PID >= 4099 && p.PID <= 4100 || !matches(re, f, p, c.Name == "killall") {
				continue
			}
			here++
			if c.Name == "pgrep" {
				switch {
				case f.has("c"):
				case f.has("a"):
					c.printf("%d %s\n", p.PID, p.Command)
				case f.has("l"):
					c.printf("%d %s\n", p.PID, processName(p))
				default:
					c.printf("%d\n", p.PID)
				}
				code = 0
			} else if why := c.end(p.PID, signal); why != "" {
				if c.Name == "killall" {
					c.errf("%s(%d): %s", processName(p), p.PID, why)
				} else {
					c.errf("killing pid %d failed: %s", p.PID, why)
				}
			} else {
				code = 0
			}
		}
		if matched += here; here == 0 && c.Name == "killall" && !f.has("q") {
			fmt.Fprintf(c.Err, "%s: no process found\n", name)
		}
	}
	if f.has("c") {
		c.printf("%d\n", matched)
	}
	return code
}

func matches(re *regexp.Regexp, f flags, p Process, exact bool) bool {
	text := processName(p)
	if f.has("f") {
		text = p.Command
	}
	if f.has("u") && p.User != f.get("u") {
		return false
	}
	loc := re.FindString(text)
	return re.MatchString(text) && (!exact && !f.has("x") || loc == text)
}
