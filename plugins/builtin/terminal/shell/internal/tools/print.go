package tools

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxWidth is how wide a printed field may be.
const maxWidth = 100_000

func echo(c *Call) int {
	args := c.Args
	newline, escapes := true, false
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' && strings.Trim(args[0][1:], "neE") == "" {
		newline = newline && !strings.Contains(args[0], "n")
		for _, l := range args[0][1:] {
			if l == 'e' || l == 'E' {
				escapes = l == 'e'
			}
		}
		args = args[1:]
	}
	text := strings.Join(args, " ")
	if escapes {
		if before, _, ok := strings.Cut(text, `\c`); ok {
			text, newline = before, false
		}
		text = unescape(text)
	}
	c.Out.Text(text)
	if newline {
		c.Out.Byte('\n')
	}
	return 0
}

// unescape replaces the escapes of C and of bash's $”.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		if at := strings.IndexByte(`abefnrtv\`, s[i]); at >= 0 {
			b.WriteByte("\a\b\x1b\f\n\r\t\v\\"[at])
			continue
		}
		switch {
		case s[i] >= '0' && s[i] <= '7':
			end := i
			for end < len(s) && end < i+3+zeroLed(s[i]) && s[end] >= '0' && s[end] <= '7' {
				end++
			}
			n, _ := strconv.ParseUint(s[i:end], 8, 16)
			b.WriteByte(byte(n))
			i = end - 1
		case s[i] == 'x' || s[i] == 'u' || s[i] == 'U':
			most := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[i]]
			end := i + 1
			for end < len(s) && end <= i+most && strings.IndexByte("0123456789abcdefABCDEF", s[end]) >= 0 {
				end++
			}
			n, err := strconv.ParseUint(s[i+1:end], 16, 32)
			switch {
			case err != nil:
				b.WriteString(s[i-1 : i+1])
				continue
			case s[i] == 'x':
				b.WriteByte(byte(n))
			default:
				b.WriteRune(rune(n))
			}
			i = end - 1
		default:
			b.WriteString(s[i-1 : i+1])
		}
	}
	return b.String()
}

func zeroLed(ch byte) int {
	if ch == '0' {
		return 1
	}
	return 0
}

func printf(c *Call) int {
	args := c.Args
	into := ""
	if len(args) > 1 && args[0] == "-v" {
		into, args = args[1], args[2:]
	}
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		c.errf("usage: printf [-v var] format [arguments]")
		return 2
	}
	format, args := args[0], args[1:]
	var b strings.Builder
	code := 0
	for {
		text, used, err := c.formatArgs(format, args)
		b.WriteString(text)
		if err != nil {
			c.errf("%s", err)
			code = 1
		}
		if into == "" {
			c.Out.Text(b.String())
			b.Reset()
		}
		args = args[min(used, len(args)):]
		if used == 0 || len(args) == 0 || c.stopped() {
			break
		}
	}
	if into != "" && c.Shell != nil {
		return c.Shell(into + "=" + quote(b.String()))
	}
	return code
}

// quote writes a text so that a shell reads it as one word.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// format formats arguments, for seq and the like.
func (c *Call) format(format string, args []string) (string, error) {
	text, _, err := c.formatArgs(format, args)
	return text, err
}

// formatArgs is one pass over a format and says how many arguments it took.
func (c *Call) formatArgs(format string, args []string) (string, int, error) {
	var b strings.Builder
	used := 0
	var failed error
	next := func() string {
		used++
		if used <= len(args) {
			return args[used-1]
		}
		return ""
	}
	for i := 0; i < len(format); i++ {
		if format[i] == '\\' {
			end := i + 2
			for end < len(format) && end < i+10 && strings.IndexByte("0123456789abcdefABCDEF", format[end]) >= 0 {
				end++
			}
			if format[min(i+1, len(format)-1)] == 'c' {
				return b.String(), 0, failed
			}
			// Only digits of numbers belong to the escape.
			for end > i+2 && !strings.ContainsRune("01234567xuU", rune(format[i+1])) {
				end--
			}
			b.WriteString(unescape(format[i:min(end, len(format))]))
			i = min(end, len(format)) - 1
			continue
		}
		if format[i] != '%' {
			b.WriteByte(format[i])
			continue
		}
		if strings.HasPrefix(format[i:], "%%") {
			b.WriteByte('%')
			i++
			continue
		}
		start := i
		for i++; i < len(format) && strings.IndexByte("-+ #0123456789.*'", format[i]) >= 0; i++ {
		}
		if i == len(format) {
			return b.String(), used, fmt.Errorf("`%s': missing format character", format[start:])
		}
		spec := format[start:i]
		for strings.Contains(spec, "*") {
			spec = strings.Replace(spec, "*", strconv.Itoa(int(integer(next()))), 1)
		}
		if strings.HasPrefix(format[i:], "(") {
			end := strings.Index(format[i:], ")T")
			if end > 0 {
				at := c.Now()
				if n := integer(next()); n > 0 {
					at = at.Add(0).UTC().Add(-at.Sub(unixTime(n)))
				}
				b.WriteString(strftime(format[i+1:i+end], at))
				i += end + 1
				continue
			}
		}
		text, err := directive(spec, format[i], next)
		if err != nil {
			failed = err
		}
		b.WriteString(text)
	}
	return b.String(), used, failed
}

// directive formats one argument.
func directive(spec string, verb byte, next func() string) (string, error) {
	for number := range strings.FieldsFuncSeq(spec, func(r rune) bool { return r < '0' || r > '9' }) {
		if n, err := strconv.Atoi(number); err != nil || n > maxWidth {
			return "", fmt.Errorf("a width of more than %d is not supported here", maxWidth)
		}
	}
	spec = strings.ReplaceAll(spec, "'", "")
	switch verb {
	case 's':
		return fmt.Sprintf(spec+"s", next()), nil
	case 'b':
		return fmt.Sprintf(spec+"s", unescape(next())), nil
	case 'q':
		return fmt.Sprintf(spec+"s", shellQuote(next())), nil
	case 'c':
		arg := next()
		if arg != "" {
			_, size := utf8.DecodeRuneInString(arg)
			arg = arg[:size]
		}
		return fmt.Sprintf(spec+"s", arg), nil
	case 'd', 'i', 'u', 'o', 'x', 'X':
		if verb == 'i' || verb == 'u' {
			verb = 'd'
		}
		arg := next()
		var err error
		if !isInteger(arg) {
			err = fmt.Errorf("%s: invalid number", arg)
		}
		if strings.Contains(spec, "#") && verb == 'o' {
			spec = strings.ReplaceAll(spec, "#", "") + ""
		}
		return fmt.Sprintf(spec+string(verb), integer(arg)), err
	case 'e', 'E', 'f', 'F', 'g', 'G':
		arg := next()
		n, err := strconv.ParseFloat(arg, 64)
		if err != nil && arg != "" {
			err = fmt.Errorf("%s: invalid number", arg)
		} else {
			err = nil
		}
		if verb == 'F' {
			verb = 'f'
		}
		return fmt.Sprintf(spec+string(verb), n), err
	}
	return "", fmt.Errorf("`%c': invalid format character", verb)
}

func shellQuote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%+,=") == "" {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune(" \t\"'\\$`!*?[](){}<>|&;#~", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	if s == "" {
		return "''"
	}
	return b.String()
}

func isInteger(s string) bool {
	if s == "" || s[0] == '\'' || s[0] == '"' {
		return true
	}
	_, err := strconv.ParseInt(strings.TrimSpace(s), 0, 64)
	return err == nil
}

// integer is a number as printf and test read it.
func integer(s string) int64 {
	s = strings.TrimSpace(s)
	if len(s) > 1 && (s[0] == '\'' || s[0] == '"') {
		r, _ := utf8.DecodeRuneInString(s[1:])
		return int64(r)
	}
	if n, err := strconv.ParseInt(s, 0, 64); err == nil {
		return n
	}
	end := 0
	for end < len(s) && (s[end] >= '0' && s[end] <= '9' || end == 0 && s[end] == '-') {
		end++
	}
	n, _ := strconv.ParseInt(s[:end], 10, 64)
	return n
}
