package tools

import (
	"maps"
	"strings"

	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell/internal/vfs"
)

// stub begins the files in /usr/bin that stand for the commands, wherever they are
// copied.
const stub = "\x7fELF command "

// Stub is the command that a file stands for.
func Stub(content []byte) (string, bool) {
	name, ok := strings.CutPrefix(string(content), stub)
	return strings.TrimSuffix(name, "\n"), ok
}

// base puts what every machine has: folders, users, commands.
func (w *World) base() {
	put := func(name string, kind vfs.Kind, mode uint32, owner, more string) {
		e := vfs.Entry{Kind: kind, Mode: mode, Owner: owner, Group: owner, Changed: w.boot}
		if kind == vfs.File {
			e.Content = []byte(more)
		} else {
			e.Target = more
		}
		w.FS.Put(name, e)
	}
	for _, dir := range []string{
		"/dev", "/etc", "/etc/cron.d", "/etc/ssh", "/etc/systemd/system", "/home", "/media", "/mnt", "/opt", "/proc", "/run", "/srv", "/sys",
		"/usr/bin", "/usr/lib", "/usr/local/bin", "/usr/local/lib", "/usr/local/sbin", "/usr/sbin", "/usr/share",
		"/var/backups", "/var/cache", "/var/lib", "/var/log", "/var/spool", "/var/www",
	} {
		put(dir, vfs.Dir, 0o755, "root", "")
	}
	put("/root", vfs.Dir, 0o700, "root", "")
	put("/tmp", vfs.Dir, 0o1777, "root", "")
	put("/var/tmp", vfs.Dir, 0o1777, "root", "")
	put("/dev/shm", vfs.Dir, 0o1777, "root", "")
	put("/dev/fd", vfs.Dir, 0o1777, "root", "")
	put("/var/mail", vfs.Dir, 0o1777, "root", "")
	put("/var/spool/cron/crontabs", vfs.Dir, 0o1777, "root", "")
	for _, name := range []string{"bin", "sbin", "lib"} {
		put("/"+name, vfs.Link, 0o777, "root", "usr/"+name)
	}
	put("/var/spool/mail", vfs.Link, 0o777, "root", "../mail")
	for _, name := range []string{"null", "zero", "full", "tty"} {
		put("/dev/"+name, vfs.Device, 0o666, "root", name)
	}
	put("/dev/urandom", vfs.Device, 0o666, "root", "urandom")
	put("/dev/random", vfs.Device, 0o666, "root", "urandom")
	for name := range maps.Keys(w.Commands) {
		put("/usr/bin/"+name, vfs.File, 0o755, "root", stub+name+"\n")
	}
	w.users(put)
}

func (w *World) users(put func(name string, kind vfs.Kind, mode uint32, owner, more string)) {
	passwd := "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\nbin:x:2:2:bin:/bin:/usr/sbin/nologin\nmail:x:8:8:mail:/var/mail:/usr/sbin/nologin\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\nbackup:x:34:34:backup:/var/backups:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
	group := "root:x:0:\ndaemon:x:1:\nbin:x:2:\nadm:x:4:\nmail:x:8:\nsudo:x:27:%s\nwww-data:x:33:\nbackup:x:34:\nusers:x:100:\nnogroup:x:65534:\n"
	shadow := "root:*:20000:0:99999:7:::\ndaemon:*:20000:0:99999:7:::\nbin:*:20000:0:99999:7:::\nmail:*:20000:0:99999:7:::\nwww-data:*:20000:0:99999:7:::\nbackup:*:20000:0:99999:7:::\nnobody:*:20000:0:99999:7:::\n"
	sudoers := ""
	if w.User != "root" {
		passwd += w.User + ":x:1000:1000::/home/" + w.User + ":/bin/bash\n"
		group += w.User + ":x:1000:\n"
		shadow += w.User + ":!:20000:0:99999:7:::\n"
		put("/home/"+w.User, vfs.Dir, 0o755, w.User, "")
		if w.Sudo {
			sudoers = w.User
		}
	}
	put("/etc/passwd", vfs.File, 0o644, "root", passwd)
	put("/etc/group", vfs.File, 0o644, "root", strings.Replace(group, "%s", sudoers, 1))
	put("/etc/shadow", vfs.File, 0o640, "root", shadow)
	put("/etc/hostname", vfs.File, 0o644, "root", w.Hostname+"\n")
	put("/etc/hosts", vfs.File, 0o644, "root", "127.0.0.1\tlocalhost\n127.0.1.1\t"+w.Hostname+"\n")
	put("/etc/shells", vfs.File, 0o644, "root", "/bin/sh\n/bin/bash\n")
	put("/etc/os-release", vfs.File, 0o644, "root", "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nID=debian\n")
	put("/etc/resolv.conf", vfs.File, 0o644, "root", "nameserver 192.0.2.53\n")
}
