package tools

import "maps"

// commands is all commands by name.
func commands() map[string]Command {
	yes := func(*Call) int { return 0 }
	no := func(*Call) int { return 1 }
	all := map[string]Command{"true": yes, "false": no, ":": yes, "sync": yes, "clear": yes, "reset": yes, "wall": yes, "stty": yes, "chattr": yes, "jobs": yes, "renice": yes, "ldconfig": yes, "update-ca-certificates": yes}
	for _, group := range []map[string]Command{fileCommands(), textCommands(), systemCommands(), netCommands()} {
		maps.Copy(all, group)
	}
	return all
}

func fileCommands() map[string]Command {
	return map[string]Command{
		"ls": ls, "dir": ls, "cat": cat, "cp": cp, "mv": mv, "rm": rm, "unlink": rm, "mkdir": mkdir, "rmdir": rmdir, "touch": touch, "ln": ln, "readlink": readlink, "realpath": readlink,
		"chmod": chmod, "chown": chown, "chgrp": chown, "find": find, "stat": stat, "file": fileType, "du": du, "df": df, "tree": tree, "tar": tarFiles,
		"gzip": gzipFiles, "gunzip": gzipFiles, "zcat": gzipFiles, "zip": zipFiles, "unzip": unzip, "truncate": truncate, "dd": dd, "mktemp": mktemp,
		"split": split, "basename": basename, "dirname": dirname, "shred": shred, "install": install, "umask": umask, "pwd": pwd,
	}
}

func textCommands() map[string]Command {
	return map[string]Command{
		"grep": grep, "egrep": grep, "fgrep": grep, "sed": sed, "sort": sortLines, "uniq": uniq, "head": head, "tail": tail, "wc": wc, "cut": cut, "tr": tr, "tee": tee,
		"xargs": xargs, "diff": diff, "cmp": cmpFiles, "comm": comm, "paste": paste, "nl": nl, "seq": seq, "rev": rev, "tac": tac, "less": cat, "more": cat,
		"echo": echo, "printf": printf, "test": test, "[": test, "expr": expr, "yes": yes, "base64": base64Text, "md5sum": digest, "sha1sum": digest, "sha256sum": digest, "sha512sum": digest, "cksum": digest,
		"fold": fold, "expand": expand, "shuf": shuf, "column": column, "join": join, "awk": awkProgram, "gawk": awkProgram, "mawk": awkProgram, "xxd": xxd, "od": od, "hexdump": od, "openssl": openssl,
	}
}

func systemCommands() map[string]Command {
	return map[string]Command{
		"env": env, "printenv": printenv, "date": date, "sleep": sleep, "usleep": sleep, "which": which, "whereis": which, "whoami": whoami, "id": id, "groups": groups, "users": who, "who": who, "w": who, "uptime": uptime, "free": free,
		"hostname": hostname, "uname": uname, "ps": ps, "top": ps, "kill": kill, "pkill": pkill, "pgrep": pkill, "killall": pkill, "crontab": crontab,
		"useradd": useradd, "adduser": useradd, "userdel": userdel, "deluser": userdel, "usermod": usermod, "passwd": passwd, "chpasswd": chpasswd, "groupadd": groupadd, "addgroup": groupadd, "groupdel": groupadd, "gpasswd": gpasswd,
		"sudo": sudo, "su": su, "systemctl": systemctl, "service": systemctl, "journalctl": journalctl, "history": history, "man": man, "logger": logger, "getent": getent, "ulimit": ulimit,
		"nohup": prefixed, "nice": prefixed, "ionice": prefixed, "timeout": prefixed, "time": prefixed, "setsid": prefixed, "stdbuf": prefixed, "watch": prefixed, "shutdown": shutdown, "reboot": shutdown, "poweroff": shutdown, "halt": shutdown,
	}
}

func netCommands() map[string]Command {
	return map[string]Command{
		"curl": curl, "wget": wget, "ssh": remote, "sftp": remote, "ftp": remote, "telnet": remote, "nc": remote, "ncat": remote, "ping": remote, "dig": remote, "nslookup": remote, "host": remote,
		"scp": scp, "rsync": rsync, "mail": mail, "mailx": mail, "sendmail": mail,
	}
}
