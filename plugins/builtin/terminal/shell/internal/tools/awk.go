package tools

import (
	"errors"
	"io"
	"regexp"
	"strings"

	"github.com/autosafe/autosafe/plugins/builtin/terminal/shell/internal/awk"
)

func awkProgram(c *Call) int {
	f, ok := c.parse("+F,field-separator= v,assign= f,file=")
	if !ok {
		return 2
	}
	text, args := "", f.args
	for _, file := range f.values["f"] {
		data, err := c.slurp(file)
		if err != nil {
			c.errf("cannot open %s: %s", file, Reason(err))
			return 2
		}
		text += string(data) + "\n"
	}
	if !f.has("f") {
		if len(args) == 0 {
			c.errf("usage: awk [-F fs][-v var=value][prog | -f progfile][file ...]")
			return 2
		}
		text, args = args[0], args[1:]
	}
	program, err := awk.Parse(text)
	if err != nil {
		c.errf("%s", err)
		return 2
	}
	sep := f.get("F")
	if sep == "t" {
		sep = "\t"
	}
	code, err := program.Run(awk.Options{
		Args: args, Vars: f.values["v"], FS: unescape(sep), Env: c.Vars(), Stdin: c.In, Out: c.Out,
		Open: func(name string) (io.Reader, error) {
			r, err := c.open(name)
			if err != nil {
				return nil, errors.New(Reason(err))
			}
			return r, nil
		},
		Create: func(name string, more bool) (io.Writer, error) {
			if name == "/dev/stderr" {
				return c.Err, nil
			}
			flag := 1 | createFlag | truncFlag
			if more {
				flag = 1 | createFlag | appendFlag
			}
			h, err := c.FS.Open(c.Who, c.abs(name), flag, 0o666&^c.Umask())
			if err != nil {
				return nil, errors.New(Reason(err))
			}
			return h, nil
		},
		Command: func(line, input string) int {
			return c.Run(Sub{Args: []string{"sh", "-c", line}, In: strings.NewReader(input)})
		},
		Regexp: func(pattern string) (*regexp.Regexp, error) { return compile(pattern, 'E', false) },
		Time:   func() int64 { return c.Now().Unix() },
		Format: func(layout string, unix int64) string { return strftime(layout, unixTime(unix)) },
		Stop:   c.stopped,
		Max:    int(c.MaxRead / 4),
	})
	if err != nil && c.Ctx.Err() == nil {
		c.errf("%s", Reason(err))
	}
	return code
}
