package terminal

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell"
)

// accounts writes the further users of a fixture into the files that say who there
// is, and makes their homes. Groups that they are in and that are not there are
// made.
func (f Fixture) accounts(files shell.Fixture) {
	if len(f.Users) == 0 {
		return
	}
	user := f.User
	if user == "" {
		user = "user"
	}
	type group struct {
		name, id string
		members  []string
	}
	groups := []group{{name: "root", id: "0"}, {name: "adm", id: "4"}, {name: "mail", id: "8"}, {name: "sudo", id: "27"},
		{name: "www-data", id: "33"}, {name: "users", id: "100"}, {name: "nogroup", id: "65534"}, {name: user, id: "1000"}}
	passwd := "root:x:0:0:root:/root:/bin/bash\nmail:x:8:8:mail:/var/mail:/usr/sbin/nologin\n" +
		"www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n" +
		user + ":x:1000:1000::/home/" + user + ":/bin/bash\n"
	join := func(name, member string) {
		i := slices.IndexFunc(groups, func(g group) bool { return g.name == name })
		if i < 0 {
			i = len(groups)
			groups = append(groups, group{name: name, id: strconv.Itoa(2000 + i)})
		}
		groups[i].members = append(groups[i].members, member)
	}
	if f.Sudo {
		join("sudo", user)
	}
	for i, u := range f.Users {
		id, home := strconv.Itoa(1001+i), "/home/"+u.Name
		passwd += fmt.Sprintf("%s:x:%s:%s::%s:/bin/bash\n", u.Name, id, id, home)
		groups = append(groups, group{name: u.Name, id: id})
		for _, g := range u.Groups {
			join(g, u.Name)
		}
		if _, ok := files[home]; !ok {
			files[home] = shell.File{Dir: true, Owner: u.Name}
		}
	}
	var lines strings.Builder
	for _, g := range groups {
		fmt.Fprintf(&lines, "%s:x:%s:%s\n", g.name, g.id, strings.Join(g.members, ","))
	}
	for name, text := range map[string]string{"/etc/passwd": passwd, "/etc/group": lines.String()} {
		if _, ok := files[name]; !ok {
			files[name] = shell.File{Content: text}
		}
	}
}
