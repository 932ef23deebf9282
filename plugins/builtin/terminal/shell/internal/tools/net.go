package tools

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell/internal/vfs"
)

func curl(c *Call) int {
	f, ok := c.parse("X,request= d,data,data-ascii,data-raw,data-binary= data-urlencode= F,form= T,upload-file= o,output= O,remote-name s,silent S,show-error f,fail L,location k,insecure i,include I,head H,header= A,user-agent= u,user= m,max-time= connect-timeout= v,verbose w,write-out= b,cookie= c,cookie-jar= e,referer= G,get x,proxy= retry= compressed json= url= 4 6 # progress-bar create-dirs cacert= cert= key= p,proxytunnel n g N")
	if !ok {
		return 2
	}
	urls := append(f.args, f.values["url"]...)
	if len(urls) == 0 {
		fmt.Fprintln(c.Err, "curl: try 'curl --help' or 'curl --manual' for more information")
		return 2
	}
	data, ok := c.payload(f)
	if !ok {
		return 26
	}
	code := 0
	for _, raw := range urls {
		text, host, port := splitURL(raw)
		body, found := c.fetch(raw, text)
		c.World.Contact(Contact{Command: c.Name, Line: c.line0(), Host: host, Port: port, Data: data, Reached: found})
		if !found {
			code = c.noCurl(f, host)
			continue
		}
		if f.has("I") {
			body = "HTTP/1.1 200 OK\r\n\r\n"
		} else if f.has("i") {
			body = "HTTP/1.1 200 OK\r\n\r\n" + body
		}
		to := f.get("o")
		if f.has("O") {
			to = path.Base(text)
		}
		if to != "" && to != "-" {
			if err := c.write(to, []byte(body), false); err != nil {
				fmt.Fprintf(c.Err, "curl: (23) Failure writing output to destination\n")
				code = 23
			}
		} else {
			c.Out.Text(body)
		}
		if f.has("w") {
			c.Out.Text(unescape(strings.NewReplacer("%{http_code}", "200", "%{response_code}", "200").Replace(f.get("w"))))
		}
	}
	return code
}

// payload is what a call of curl would send.
func (c *Call) payload(f flags) (string, bool) {
	var parts []string
	add := func(text string) bool {
		name, file := "", ""
		if rest, ok := strings.CutPrefix(text, "@"); ok {
			file = rest
		} else if key, rest, ok := strings.Cut(text, "=@"); ok {
			name, file = key+"=", rest
		}
		if file == "" {
			parts = append(parts, text)
			return true
		}
		file, _, _ = strings.Cut(file, ";")
		content, err := c.slurp(file)
		if err != nil {
			fmt.Fprintf(c.Err, "curl: option -d: error encountered when reading a file\n")
			return false
		}
		parts = append(parts, name+string(content))
		return true
	}
	for _, flag := range []string{"d", "data-urlencode", "F", "json"} {
		for _, text := range f.values[flag] {
			if flag == "F" { // name=<file is the file's content as a field
				text = strings.Replace(text, "=<", "=@", 1)
			}
			if !add(text) {
				return "", false
			}
		}
	}
	for _, file := range f.values["T"] {
		if !add("@" + file) {
			return "", false
		}
	}
	return strings.Join(parts, "&"), true
}

func splitURL(raw string) (text, host, port string) {
	text = raw
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return text, raw, ""
	}
	host, port = u.Hostname(), u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "ftp": "21"}[u.Scheme]
	}
	return text, host, port
}

// fetch is what the fixture has at a URL, as it was written or in full.
func (c *Call) fetch(raw, text string) (string, bool) {
	for _, try := range []string{raw, text, strings.TrimSuffix(text, "/"), text + "/"} {
		if body, ok := c.URLs[try]; ok {
			return body, true
		}
	}
	return "", false
}

func (c *Call) noCurl(f flags, host string) int {
	code, text := 6, "Could not resolve host: "+host
	if Unreachable(host) == "Network is unreachable" {
		code, text = 7, "Failed to connect to "+host+": Network is unreachable"
	}
	if !f.has("s") || f.has("S") {
		fmt.Fprintf(c.Err, "curl: (%d) %s\n", code, text)
	}
	return code
}

func wget(c *Call) int {
	f, ok := c.parse("O,output-document= q,quiet P,directory-prefix= post-data= post-file= header= no-check-certificate c,continue r,recursive t,tries= T,timeout= U,user-agent= N S spider nv,no-verbose i,input-file= b,background v no-cache user= password= method= body-data= body-file= n= e= p k m l= A= np")
	if !ok {
		return 2
	}
	if len(f.args) == 0 {
		fmt.Fprintln(c.Err, "wget: missing URL\nUsage: wget [OPTION]... [URL]...\n\nTry `wget --help' for more options.")
		return 1
	}
	data := f.get("post-data") + f.get("body-data")
	for _, flag := range []string{"post-file", "body-file"} {
		if f.has(flag) {
			content, err := c.slurp(f.get(flag))
			if err != nil {
				fmt.Fprintf(c.Err, "BODY data file '%s' missing: %s\n", f.get(flag), Reason(err))
				return 3
			}
			data = string(content)
		}
	}
	code := 0
	for _, raw := range f.args {
		text, host, port := splitURL(raw)
		body, found := c.fetch(raw, text)
		c.World.Contact(Contact{Command: c.Name, Line: c.line0(), Host: host, Port: port, Data: data, Reached: found})
		if !found {
			if !f.has("q") {
				fmt.Fprintf(c.Err, "--%s--  %s\nResolving %s (%s)... failed: %s.\nwget: unable to resolve host address '%s'\n", c.Now().Format("2006-01-02 15:04:05"), text, host, host, Unreachable(host), host)
			}
			code = 4
			continue
		}
		to := f.get("O")
		if to == "" {
			if to = path.Base(text); to == host || strings.HasSuffix(text, "/") {
				to = "index.html"
			}
			to = path.Join(f.get("P"), to)
		}
		if to == "-" {
			c.Out.Text(body)
		} else if err := c.write(to, []byte(body), false); err != nil {
			fmt.Fprintf(c.Err, "%s: %s\n", to, Reason(err))
			code = 3
		} else if !f.has("q") {
			fmt.Fprintf(c.Err, "'%s' saved [%d/%d]\n", to, len(body), len(body))
		}
	}
	return code
}

// remote is ssh, telnet, ftp, nc, ping and others that only ever fail.
func remote(c *Call) int {
	args := c.Args
	var words []string
	valued := map[string]string{"ssh": "pilFobcDLRWweEJmSQ", "nc": "pwsqiX", "ncat": "pwsqiX", "ping": "cWiIst", "telnet": "", "sftp": "PoFi", "ftp": "", "dig": "", "nslookup": "", "host": ""}[c.Name]
	port := ""
	listen := false
	for i := 0; i < len(args); i++ {
		a := args[i]
		if len(a) > 1 && a[0] == '-' && len(words) == 0 {
			listen = listen || strings.Contains(a, "l") && (c.Name == "nc" || c.Name == "ncat")
			if last := a[len(a)-1:]; strings.Contains(valued, last) && i+1 < len(args) {
				if i++; last == "p" || last == "P" {
					port = args[i]
				}
			}
			continue
		}
		words = append(words, a)
	}
	if listen {
		c.World.Contact(Contact{Command: c.Name, Line: c.line0(), Host: "(listens)", Port: port})
		return 0
	}
	if len(words) == 0 {
		fmt.Fprintf(c.Err, "usage: %s destination\n", c.Name)
		return 1
	}
	host := words[0][strings.LastIndexByte(words[0], '@')+1:]
	if c.Name == "nc" || c.Name == "ncat" || c.Name == "telnet" {
		if len(words) > 1 {
			port = words[1]
		}
	}
	data := ""
	if c.Name == "nc" || c.Name == "ncat" || c.Name == "ssh" {
		if all, err := c.readAll(c.In); err == nil {
			data = string(all)
		}
		if c.Name == "ssh" && len(words) > 1 && data == "" {
			data = strings.Join(words[1:], " ")
		}
	}
	if port == "" {
		port = map[string]string{"ssh": "22", "sftp": "22", "ftp": "21", "telnet": "23"}[c.Name]
	}
	c.World.Contact(Contact{Command: c.Name, Line: c.line0(), Host: host, Port: port, Data: data})
	switch c.Name {
	case "ssh", "sftp":
		if Unreachable(host) == "Network is unreachable" {
			fmt.Fprintf(c.Err, "ssh: connect to host %s port %s: Network is unreachable\n", host, port)
		} else {
			fmt.Fprintf(c.Err, "ssh: Could not resolve hostname %s: Temporary failure in name resolution\n", host)
		}
		return 255
	case "ping":
		if host == "localhost" || host == "127.0.0.1" {
			c.printf("PING %s (127.0.0.1) 56(84) bytes of data.\n64 bytes from localhost (127.0.0.1): icmp_seq=1 ttl=64 time=0.030 ms\n\n--- %s ping statistics ---\n1 packets transmitted, 1 received, 0%% packet loss, time 0ms\n", host, host)
			return 0
		}
		fmt.Fprintf(c.Err, "ping: %s: %s\n", host, Unreachable(host))
		return 2
	case "dig", "nslookup", "host":
		c.printf(";; communications error to 192.0.2.53#53: timed out\n;; no servers could be reached\n")
		return 9
	case "nc", "ncat":
		fmt.Fprintf(c.Err, "nc: getaddrinfo for host \"%s\" port %s: Temporary failure in name resolution\n", host, port)
		return 1
	}
	fmt.Fprintf(c.Err, "%s: %s: %s\n", c.Name, host, Unreachable(host))
	return 1
}

// far splits a place such as user@host:path; ok is false for one on this machine.
func far(place string) (host, file string, ok bool) {
	if rest, found := strings.CutPrefix(place, "rsync://"); found {
		host, file, _ = strings.Cut(rest, "/")
		return host, file, true
	}
	at := strings.IndexByte(place, ':')
	if at <= 0 || strings.Contains(place[:at], "/") {
		return "", "", false
	}
	return place[strings.IndexByte(place[:at], '@')+1 : at], strings.TrimPrefix(place[at+1:], ":"), true
}

func scp(c *Call) int {
	f, ok := c.parse("r p q v C B P= i= o= F= J= l= c= S= O T 3 4 6")
	if !ok || len(f.args) < 2 {
		if ok {
			fmt.Fprintln(c.Err, "usage: scp [-346ABCOpqRrsTv] source ... target")
		}
		return 1
	}
	if n, gone := c.sendAway(f.args, "22"); gone {
		return n
	}
	args := []string{"cp"}
	if f.has("r") {
		args = append(args, "-r")
	}
	return c.Run(Sub{Args: append(args, f.args...)})
}

// sendAway notes a copy to or from another machine, which fails.
func (c *Call) sendAway(args []string, port string) (int, bool) {
	i := slices.IndexFunc(args, func(a string) bool { _, _, ok := far(a); return ok })
	if i < 0 {
		return 0, false
	}
	host, _, _ := far(args[i])
	var data strings.Builder
	for _, name := range args[:len(args)-1] {
		if _, _, ok := far(name); ok {
			continue
		}
		c.walk(name, func(name string, info *vfs.Info) bool {
			if info.Kind == vfs.File && data.Len() < maxData {
				if content, err := c.slurp(name); err == nil {
					data.Write(content)
				}
			}
			return true
		})
	}
	c.World.Contact(Contact{Command: c.Name, Line: c.line0(), Host: host, Port: port, Data: data.String()})
	if Unreachable(host) == "Network is unreachable" {
		fmt.Fprintf(c.Err, "ssh: connect to host %s port %s: Network is unreachable\n", host, port)
	} else {
		fmt.Fprintf(c.Err, "ssh: Could not resolve hostname %s: Temporary failure in name resolution\n", host)
	}
	if c.Name == "rsync" {
		fmt.Fprintln(c.Err, "rsync: connection unexpectedly closed (0 bytes received so far) [sender]\nrsync error: unexplained error (code 255) at io.c(231) [sender=3.2.7]")
		return 255, true
	}
	fmt.Fprintln(c.Err, "scp: Connection closed")
	return 255, true
}

func rsync(c *Call) int {
	f, ok := c.parse("a,archive r,recursive v,verbose z,compress n,dry-run e,rsh= delete P progress h,human-readable u,update l,links p,perms t,times g o D x q,quiet c,checksum H A X exclude= include= partial stats remove-source-files delete-after delete-excluded force i b backup-dir= bwlimit= W R")
	if !ok {
		return 1
	}
	if len(f.args) < 2 {
		c.errf("source and destination are needed")
		return 1
	}
	if n, gone := c.sendAway(f.args, "22"); gone {
		return n
	}
	to := f.args[len(f.args)-1]
	code := 0
	for _, from := range f.args[:len(f.args)-1] {
		if c.exists(from, true) == nil {
			c.errf("link_stat \"%s\" failed: No such file or directory (2)", vfs.Abs(c.Dir, from))
			code = 23
			continue
		}
		if f.has("n") {
			continue
		}
		contents := strings.HasSuffix(from, "/")
		if f.has("delete") && contents {
			c.deleteExtra(from, to)
		}
		if info := c.exists(from, true); info.IsDir() && c.exists(to, true) == nil {
			if err := c.FS.Mkdir(c.Who, c.abs(strings.TrimSuffix(to, "/")), 0o777&^c.Umask()); err != nil {
				c.errf("mkdir \"%s\" failed: %s", to, Reason(err))
				return 11
			}
		}
		source := from
		if contents {
			source = from + "."
		}
		mode := "-r"
		if f.has("a") {
			mode = "-a"
		}
		if n := c.copyContents(mode, source, to, contents); n != 0 {
			code = 23
		}
	}
	return code
}

func (c *Call) copyContents(mode, source, to string, contents bool) int {
	if !contents {
		return c.Run(Sub{Args: []string{"cp", mode, source, to}})
	}
	infos, err := c.FS.List(c.Who, c.abs(source))
	if err != nil {
		c.errf("opendir \"%s\" failed: %s", source, Reason(err))
		return 1
	}
	code := 0
	for _, i := range infos {
		code = max(code, c.Run(Sub{Args: []string{"cp", mode, strings.TrimSuffix(source, ".") + i.Name(), strings.TrimSuffix(to, "/") + "/"}}))
	}
	return code
}

func (c *Call) deleteExtra(from, to string) {
	infos, err := c.FS.List(c.Who, c.abs(to))
	if err != nil {
		return
	}
	for _, i := range infos {
		if c.exists(strings.TrimSuffix(from, "/")+"/"+i.Name(), false) == nil {
			c.Run(Sub{Args: []string{"rm", "-rf", strings.TrimSuffix(to, "/") + "/" + i.Name()}})
		}
	}
}

// mail hands a message to the outbox, where checks find it.
func mail(c *Call) int {
	f, ok := c.parse("s,subject= a,attach= c= b= r= t i f= F= v A= q= S= o? B?")
	if !ok {
		return 1
	}
	body, err := c.readAll(c.In)
	if err != nil {
		return 1
	}
	text := string(body)
	to := strings.Join(append(append(slices.Clone(f.args), f.values["c"]...), f.values["b"]...), ", ")
	if f.has("t") || to == "" {
		for line := range strings.Lines(text) {
			if rest, ok := strings.CutPrefix(line, "To:"); ok {
				to = strings.TrimSpace(rest)
			}
		}
	}
	if to == "" {
		c.errf("no recipients specified")
		return 1
	}
	var b strings.Builder
	fmt.Fprintf(&b, "From %s %s\nTo: %s\n", c.Who.User, c.Now().Format("Mon Jan _2 15:04:05 2006"), to)
	if f.has("s") {
		fmt.Fprintf(&b, "Subject: %s\n", f.get("s"))
	}
	for _, file := range append(slices.Clone(f.values["a"]), f.values["A"]...) {
		content, err := c.slurp(file)
		if err != nil {
			c.errf("%s: %s", file, Reason(err))
			return 1
		}
		fmt.Fprintf(&b, "X-Attachment: %s\n\n%s", file, content)
	}
	fmt.Fprintf(&b, "\n%s\n", strings.TrimRight(text, "\n"))
	c.Who = root()
	if err := c.write("/var/mail/outbox", []byte(b.String()+"\n"), true); err != nil {
		c.errf("cannot queue message: %s", Reason(err))
		return 1
	}
	_ = c.FS.Chmod(c.Who, "/var/mail/outbox", 0o666)
	c.World.Contact(Contact{Command: c.Name, Line: c.line0(), Host: to, Data: b.String(), Reached: true})
	return 0
}
