package tools

import "path"

// install copies files, or makes folders with -d, and sets who owns them and what
// they permit.
func install(c *Call) int {
	f, ok := c.parse("m,mode= o,owner= g,group= d,directory D v,verbose p,preserve-timestamps b,backup? c C s t,target-directory= T,no-target-directory S=")
	if !ok {
		return 1
	}
	code := 0
	run := func(args ...string) bool {
		if c.Run(Sub{Args: args}) == 0 {
			return true
		}
		code = 1
		return false
	}
	mode := f.get("m")
	if mode == "" {
		mode = "755"
	}
	finish := func(name string) {
		if run("chmod", mode, name) && (f.has("o") || f.has("g")) {
			spec := f.get("o")
			if f.has("g") {
				spec += ":" + f.get("g")
			}
			run("chown", spec, name)
		}
	}
	if f.has("d") {
		for _, name := range f.args {
			if run("mkdir", "-p", name) {
				finish(name)
			}
		}
		return code
	}
	if n := len(f.args); f.has("D") && !f.has("t") && n > 0 {
		run("mkdir", "-p", path.Dir(f.args[n-1]))
	}
	sources, targets, ok := c.into(f)
	if !ok {
		return 1
	}
	for i, from := range sources {
		copied := []string{"cp", "--remove-destination", from, targets[i]}
		if f.has("b") {
			copied = []string{"cp", "-b", from, targets[i]}
		}
		if run(copied...) {
			finish(targets[i])
		}
	}
	return code
}
