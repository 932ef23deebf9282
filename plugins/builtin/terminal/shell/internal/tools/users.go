package tools

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell/internal/vfs"
)

// edit changes a table of users: change gets its lines and returns them.
func (c *Call) edit(table string, change func(rows [][]string) [][]string) bool {
	rows := change(c.table(table))
	var b strings.Builder
	for _, r := range rows {
		b.WriteString(strings.Join(r, ":") + "\n")
	}
	if err := c.FS.WriteFile(c.Who, table, []byte(b.String()), 0o644); err != nil {
		c.errf("cannot lock %s; try again later.", table)
		return false
	}
	return true
}

func (c *Call) denied(table string) bool {
	if c.FS.Access(c.Who, table, 2) == nil {
		return false
	}
	c.errf("Permission denied.\n%s: cannot lock %s; try again later.", c.Name, table)
	return true
}

// freeID is a number that no line of a table has.
func (c *Call) freeID(table string, from int) string {
	for n := from; ; n++ {
		if text := strconv.Itoa(n); !slices.ContainsFunc(c.table(table), func(r []string) bool { return r[2] == text }) {
			return text
		}
	}
}

func validName(name string) bool {
	return name != "" && len(name) <= 32 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") == "" && name[0] != '-'
}

func useradd(c *Call) int {
	f, ok := c.parse("m,create-home M,no-create-home d,home-dir,home= s,shell= g,gid= G,groups= u,uid= c,comment= p,password= r,system N U o e= disabled-password gecos= ingroup= disabled-login q")
	if !ok {
		return 2
	}
	if len(f.args) == 0 {
		c.errf("a name is needed")
		return 2
	}
	name := f.args[0]
	if c.Name == "adduser" && len(f.args) == 2 {
		return c.joinGroup(name, f.args[1])
	}
	switch {
	case !validName(name):
		c.errf("invalid user name '%s'", name)
		return 3
	case c.denied("/etc/passwd"):
		return 1
	case c.row("/etc/passwd", name) != nil:
		c.errf("user '%s' already exists", name)
		return 9
	}
	uid := f.get("u")
	if uid == "" {
		uid = c.freeID("/etc/passwd", 1001)
	}
	gid := uid
	if f.has("g") {
		r := c.row("/etc/group", f.get("g"))
		if r == nil {
			c.errf("group '%s' does not exist", f.get("g"))
			return 6
		}
		gid = r[2]
	} else {
		if c.row("/etc/group", gid) != nil {
			gid = c.freeID("/etc/group", 1001)
		}
		if !c.edit("/etc/group", func(rows [][]string) [][]string { return append(rows, []string{name, "x", gid, ""}) }) {
			return 10
		}
	}
	home, shell, password := "/home/"+name, "/bin/sh", "!"
	if f.has("d") {
		home = f.get("d")
	}
	if f.has("s") {
		shell = f.get("s")
	}
	if c.Name == "adduser" && !f.has("s") {
		shell = "/bin/bash"
	}
	if f.has("p") {
		password = f.get("p")
	}
	c.edit("/etc/passwd", func(rows [][]string) [][]string {
		return append(rows, []string{name, "x", uid, gid, f.get("c"), home, shell})
	})
	c.edit("/etc/shadow", func(rows [][]string) [][]string {
		return append(rows, []string{name, password, "20000", "0", "99999", "7", "", "", ""})
	})
	for group := range strings.SplitSeq(f.get("G"), ",") {
		if group != "" && c.joinGroup(name, group) != 0 {
			return 6
		}
	}
	if f.has("m") || c.Name == "adduser" {
		c.FS.Put(home, vfs.Entry{Kind: vfs.Dir, Mode: 0o755, Owner: name, Group: name, Changed: c.Now()})
	}
	return 0
}

func (c *Call) joinGroup(user, group string) int {
	if c.row("/etc/group", group) == nil {
		c.errf("group '%s' does not exist", group)
		return 6
	}
	if c.denied("/etc/group") {
		return 1
	}
	c.edit("/etc/group", func(rows [][]string) [][]string {
		for i, r := range rows {
			if r[0] == group && !slices.Contains(strings.Split(r[3], ","), user) {
				rows[i][3] = strings.TrimPrefix(r[3]+","+user, ",")
			}
		}
		return rows
	})
	return 0
}

func userdel(c *Call) int {
	f, ok := c.parse("r,remove,remove-home f,force remove-all-files")
	if !ok || len(f.args) == 0 {
		return 2
	}
	name := f.args[0]
	r := c.row("/etc/passwd", name)
	switch {
	case c.denied("/etc/passwd"):
		return 1
	case r == nil || r[0] != name:
		c.errf("user '%s' does not exist", name)
		return 6
	}
	gone := func(rows [][]string) [][]string {
		return slices.DeleteFunc(rows, func(r []string) bool { return r[0] == name })
	}
	c.edit("/etc/passwd", gone)
	c.edit("/etc/shadow", gone)
	c.edit("/etc/group", func(rows [][]string) [][]string {
		rows = gone(rows)
		for i, r := range rows {
			members := slices.DeleteFunc(strings.Split(r[3], ","), func(m string) bool { return m == name })
			rows[i][3] = strings.Join(members, ",")
		}
		return rows
	})
	if f.has("r") && len(r) > 5 {
		return c.Run(Sub{Args: []string{"rm", "-rf", r[5]}})
	}
	return 0
}

func usermod(c *Call) int {
	f, ok := c.parse("a,append G,groups= s,shell= d,home= m,move-home l,login= L,lock U,unlock p,password= c,comment= g,gid= u,uid= e,expiredate= aG=")
	if !ok || len(f.args) == 0 {
		return 2
	}
	name := f.args[len(f.args)-1]
	switch {
	case c.denied("/etc/passwd"):
		return 1
	case c.row("/etc/passwd", name) == nil:
		c.errf("user '%s' does not exist", name)
		return 6
	}
	c.edit("/etc/passwd", func(rows [][]string) [][]string {
		for _, r := range rows {
			if r[0] == name && len(r) > 6 {
				for flag, field := range map[string]int{"s": 6, "d": 5, "c": 4, "u": 2, "l": 0} {
					if f.has(flag) {
						r[field] = f.get(flag)
					}
				}
			}
		}
		return rows
	})
	c.edit("/etc/shadow", func(rows [][]string) [][]string {
		for _, r := range rows {
			if r[0] != name {
				continue
			}
			switch {
			case f.has("p"):
				r[1] = f.get("p")
			case f.has("L"):
				r[1] = "!" + strings.TrimPrefix(r[1], "!")
			case f.has("U"):
				r[1] = strings.TrimPrefix(r[1], "!")
			}
		}
		return rows
	})
	if !f.has("G") {
		return 0
	}
	if !f.has("a") {
		c.edit("/etc/group", func(rows [][]string) [][]string {
			for _, r := range rows {
				r[3] = strings.Join(slices.DeleteFunc(strings.Split(r[3], ","), func(m string) bool { return m == name }), ",")
			}
			return rows
		})
	}
	for group := range strings.SplitSeq(f.get("G"), ",") {
		if n := c.joinGroup(name, group); n != 0 {
			return n
		}
	}
	return 0
}

func gpasswd(c *Call) int {
	f, ok := c.parse("a,add= d,delete=")
	if !ok || len(f.args) == 0 {
		return 2
	}
	if f.has("a") {
		return c.joinGroup(f.get("a"), f.args[0])
	}
	if c.denied("/etc/group") {
		return 1
	}
	c.edit("/etc/group", func(rows [][]string) [][]string {
		for _, r := range rows {
			if r[0] == f.args[0] {
				r[3] = strings.Join(slices.DeleteFunc(strings.Split(r[3], ","), func(m string) bool { return m == f.get("d") }), ",")
			}
		}
		return rows
	})
	return 0
}

func groupadd(c *Call) int {
	f, ok := c.parse("g,gid= r,system f,force")
	if !ok || len(f.args) == 0 {
		return 2
	}
	name := f.args[0]
	if c.denied("/etc/group") {
		return 1
	}
	exists := c.row("/etc/group", name) != nil
	if c.Name == "groupdel" {
		if !exists {
			c.errf("group '%s' does not exist", name)
			return 6
		}
		c.edit("/etc/group", func(rows [][]string) [][]string {
			return slices.DeleteFunc(rows, func(r []string) bool { return r[0] == name })
		})
		return 0
	}
	if exists {
		c.errf("group '%s' already exists", name)
		return 9
	}
	gid := f.get("g")
	if gid == "" {
		gid = c.freeID("/etc/group", 1001)
	}
	c.edit("/etc/group", func(rows [][]string) [][]string { return append(rows, []string{name, "x", gid, ""}) })
	return 0
}

// setPassword stores what stands for a password: a mark and the text itself, for
// checks to read.
func (c *Call) setPassword(user, password string) {
	c.edit("/etc/shadow", func(rows [][]string) [][]string {
		for _, r := range rows {
			if r[0] == user {
				r[1] = "$plain$" + strings.ReplaceAll(password, ":", "_")
			}
		}
		return rows
	})
}

func passwd(c *Call) int {
	f, ok := c.parse("d,delete l,lock u,unlock e,expire S,status q stdin")
	if !ok {
		return 2
	}
	name := c.Who.User
	if len(f.args) > 0 {
		name = f.args[0]
	}
	if c.row("/etc/passwd", name) == nil {
		c.errf("user '%s' does not exist", name)
		return 1
	}
	if name != c.Who.User && !c.Who.Root() {
		c.errf("You may not view or modify password information for %s.", name)
		return 1
	}
	c.Who = root() // as the real one, it may write what its callers may not
	if f.has("d") || f.has("l") || f.has("u") || f.has("e") {
		mark := map[string]string{"d": "", "l": "!", "u": "*", "e": "*"}[f.last("d", "l", "u", "e")]
		c.edit("/etc/shadow", func(rows [][]string) [][]string {
			for _, r := range rows {
				if r[0] == name {
					r[1] = mark
				}
			}
			return rows
		})
		c.printf("passwd: password changed.\n")
		return 0
	}
	first, _ := c.line(c.In, '\n')
	second, _ := c.line(c.In, '\n')
	first, second = strings.TrimSpace(first), strings.TrimSpace(second)
	if first == "" || first != second && !f.has("stdin") {
		fmt.Fprint(c.Err, "New password: Retype new password: passwd: Authentication token manipulation error\npasswd: password unchanged\n")
		return 10
	}
	c.setPassword(name, first)
	fmt.Fprint(c.Err, "New password: Retype new password: passwd: password updated successfully\n")
	return 0
}

func chpasswd(c *Call) int {
	if c.denied("/etc/shadow") {
		return 1
	}
	code := 0
	_ = c.lines(c.In, func(line string) bool {
		user, password, ok := strings.Cut(line, ":")
		if !ok || c.row("/etc/passwd", user) == nil {
			c.errf("(user %s) pam_chauthtok() failed", user)
			code = 1
			return true
		}
		c.setPassword(user, password)
		return true
	})
	return code
}

// sudo runs a command as somebody else, for those who may.
func sudo(c *Call) int {
	f, ok := c.parse("+u,user= g= E,preserve-env? H i,login s,shell n,non-interactive S,stdin k K v l,list b A p= C= D=")
	if !ok {
		return 1
	}
	allowed := c.Who.Root() || slices.Contains(c.World.Who(c.Who.User).Groups, "sudo")
	if f.has("l") && allowed {
		c.printf("User %s may run the following commands on %s:\n    (ALL : ALL) NOPASSWD: ALL\n", c.Who.User, c.World.Hostname)
		return 0
	}
	if !allowed {
		if f.has("n") {
			c.errf("a password is required")
		} else {
			c.errf("a terminal is required to read the password; either use the -S option to read from standard input or configure an askpass helper\nsudo: a password is required")
		}
		return 1
	}
	user := "root"
	if f.has("u") {
		user = f.get("u")
	}
	r := c.row("/etc/passwd", user)
	if r == nil {
		c.errf("unknown user %s", user)
		return 1
	}
	args := f.args
	var set []string
	for len(args) > 0 && strings.Contains(args[0], "=") && !strings.HasPrefix(args[0], "=") {
		set, args = append(set, args[0]), args[1:]
	}
	if f.has("i") || f.has("s") {
		line := []string{"/bin/bash"}
		if len(args) > 0 {
			line = append(line, "-c", strings.Join(args, " "))
		}
		args = line
	}
	if len(args) == 0 {
		return 0
	}
	if _, ok := c.Which(c.World.Who(user), SafePath, c.Dir, args[0]); !ok {
		c.Miss(args[0])
		c.errf("%s: command not found", args[0])
		return 1
	}
	home := c.Home(r[0])
	sub := Sub{Args: args, In: c.In, User: r[0], Set: append([]string{"HOME=" + home, "USER=" + r[0], "LOGNAME=" + r[0], "SUDO_USER=" + c.Who.User, "PATH=" + SafePath}, set...)}
	if f.has("i") {
		sub.Dir = home
	}
	return c.Run(sub)
}

// SafePath is the PATH of whom none was given.
const SafePath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func su(c *Call) int {
	f, ok := c.parse("c,command= l,login s,shell= m p")
	if !ok {
		return 1
	}
	args := f.args
	if len(args) > 0 && args[0] == "-" {
		args = args[1:]
	}
	user := "root"
	if len(args) > 0 {
		user = args[0]
	}
	switch {
	case c.row("/etc/passwd", user) == nil:
		c.errf("user %s does not exist or the user entry does not contain all the required fields", user)
		return 1
	case !c.Who.Root() && user != c.Who.User:
		c.errf("Authentication failure")
		return 1
	}
	line := []string{"/bin/bash"}
	if f.has("c") {
		line = append(line, "-c", f.get("c"))
	}
	return c.Run(Sub{Args: line, In: c.In, User: user, Set: []string{"HOME=" + c.Home(user), "USER=" + user, "LOGNAME=" + user}})
}
