package tools

import (
	"bufio"
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

func xargs(c *Call) int {
	f, ok := c.parse("+0,null d,delimiter= I= i? n,max-args= L,l= r,no-run-if-empty t,verbose P,max-procs= p a,arg-file= s,max-chars= x E=")
	if !ok {
		return 1
	}
	in := c.In
	if f.has("a") {
		data, err := c.slurp(f.get("a"))
		if err != nil {
			c.errf("Cannot open input file '%s': %s", f.get("a"), Reason(err))
			return 1
		}
		in = bufio.NewReader(bytes.NewReader(data))
	}
	data, err := c.readAll(in)
	if err != nil {
		return 1
	}
	items, err := xargsItems(f, string(data))
	if err != nil {
		c.errf("%s", err)
		return 1
	}
	command := f.args
	if len(command) == 0 {
		command = []string{"echo"}
	}
	code := 0
	run := func(args []string) bool {
		if f.has("t") {
			fmt.Fprintln(c.Err, strings.Join(args, " "))
		}
		switch n := c.runOr(Sub{Args: args, In: strings.NewReader("")}, "%s: No such file or directory"); {
		case n == 127 || n == 126:
			code = n
			return false
		case n == 255:
			code = 124
			return false
		case n != 0:
			code = 123
		}
		return !c.stopped()
	}
	mark := f.get("I")
	if f.has("i") && mark == "" {
		mark = "{}"
	}
	if mark != "" {
		for _, item := range items {
			args := make([]string, len(command))
			for i, a := range command {
				args[i] = strings.ReplaceAll(a, mark, item)
			}
			if !run(args) {
				break
			}
		}
		return code
	}
	c.xargsBatches(f, command, items, run, &code)
	return code
}

// xargsBatches runs the command with as many items at a time as asked for.
func (c *Call) xargsBatches(f flags, command, items []string, run func([]string) bool, code *int) {
	size := max(len(items), 1)
	for _, flag := range []string{"n", "L"} {
		if f.has(flag) {
			n, err := strconv.Atoi(f.get(flag))
			if err != nil || n < 1 {
				c.errf("value %s for -%s option should be >= 1", f.get(flag), flag)
				*code = 1
				return
			}
			size = n
		}
	}
	if len(items) == 0 {
		if !f.has("r") {
			run(command)
		}
		return
	}
	for len(items) > 0 {
		n := min(size, len(items))
		if !run(append(append([]string{}, command...), items[:n]...)) {
			break
		}
		items = items[n:]
	}
}

// xargsItems splits what xargs is fed.
func xargsItems(f flags, text string) ([]string, error) {
	var items []string
	switch {
	case f.has("0"), f.has("d"):
		sep := "\x00"
		if !f.has("0") {
			sep = unescape(f.get("d"))
		}
		items = strings.Split(strings.TrimSuffix(text, sep), sep)
		if text == "" {
			items = nil
		}
	case f.has("I") || f.has("i") || f.has("L"):
		for line := range strings.Lines(text) {
			if line = strings.Trim(line, " \t\n"); line != "" {
				items = append(items, line)
			}
		}
	default:
		return splitWords(text)
	}
	return items, nil
}

// splitWords splits at blanks, with quotes and backslashes.
func splitWords(text string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord, quote := false, byte(0)
	for i := 0; i < len(text); i++ {
		switch ch := text[i]; {
		case quote != 0:
			if ch == '\n' {
				return nil, fmt.Errorf("unmatched %s quote; by default quotes are special to xargs unless you use the -0 option", map[byte]string{'"': "double", '\'': "single"}[quote])
			}
			if ch == quote {
				quote = 0
			} else {
				word.WriteByte(ch)
			}
		case ch == '"' || ch == '\'':
			quote, inWord = ch, true
		case ch == '\\' && i+1 < len(text):
			i++
			word.WriteByte(text[i])
			inWord = true
		case ch == ' ' || ch == '\t' || ch == '\n':
			if inWord {
				words = append(words, word.String())
			}
			word.Reset()
			inWord = false
		default:
			word.WriteByte(ch)
			inWord = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("unmatched %s quote; by default quotes are special to xargs unless you use the -0 option", map[byte]string{'"': "double", '\'': "single"}[quote])
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}
