package tools

import (
	"bufio"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// legacy turns -5 and +5 into -n 5, as head and tail take them.
func (c *Call) legacy() {
	if len(c.Args) > 0 && len(c.Args[0]) > 1 && (c.Args[0][0] == '-' || c.Args[0][0] == '+') && c.Args[0][1] >= '0' && c.Args[0][1] <= '9' {
		n := strings.TrimPrefix(c.Args[0], "-")
		c.Args = append([]string{"-n", n}, c.Args[1:]...)
	}
}

func head(c *Call) int {
	c.legacy()
	f, ok := c.parse("n,lines= c,bytes= q,quiet,silent v,verbose z")
	if !ok {
		return 1
	}
	unit, count := "n", "10"
	if which := f.last("n", "c"); which != "" {
		unit, count = which, f.get(which)
	}
	n, ok := parseSize(strings.TrimPrefix(count, "-"))
	if !ok {
		c.errf("invalid number of %s: '%s'", map[string]string{"n": "lines", "c": "bytes"}[unit], count)
		return 1
	}
	butLast := strings.HasPrefix(count, "-")
	first := true
	return c.inputs(f.args, func(name string, r *bufio.Reader) error {
		c.title(f, name, &first)
		if butLast {
			return c.headButLast(r, unit, n)
		}
		if unit == "c" {
			return c.copyTo(io.LimitReader(r, n))
		}
		for range n {
			line, err := c.line(r, '\n')
			c.Out.Text(line)
			if errors.Is(err, io.EOF) || c.stopped() {
				return nil
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *Call) headButLast(r *bufio.Reader, unit string, n int64) error {
	data, err := c.readAll(r)
	if err != nil {
		return err
	}
	if unit == "c" {
		c.Out.Bytes(data[:max(int64(len(data))-n, 0)])
		return nil
	}
	lines := strings.SplitAfter(string(data), "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	c.Out.Text(strings.Join(lines[:max(int64(len(lines))-n, 0)], ""))
	return nil
}

// title writes a file's name above its text, where there are several.
func (c *Call) title(f flags, name string, first *bool) {
	if len(f.args) > 1 && !f.has("q") || f.has("v") {
		if !*first {
			c.printf("\n")
		}
		if name == "-" {
			name = "standard input"
		}
		c.printf("==> %s <==\n", name)
	}
	*first = false
}

func tail(c *Call) int {
	c.legacy()
	f, ok := c.parse("n,lines= c,bytes= q,quiet,silent v,verbose f,follow? F s= pid= retry z")
	if !ok {
		return 1
	}
	unit, count := "n", "10"
	if which := f.last("n", "c"); which != "" {
		unit, count = which, f.get(which)
	}
	from := strings.HasPrefix(count, "+")
	n, ok := parseSize(strings.TrimLeft(count, "+-"))
	if !ok {
		c.errf("invalid number of %s: '%s'", map[string]string{"n": "lines", "c": "bytes"}[unit], count)
		return 1
	}
	first := true
	return c.inputs(f.args, func(name string, r *bufio.Reader) error {
		c.title(f, name, &first)
		data, err := c.readAll(r)
		if err != nil {
			return err
		}
		if unit == "c" {
			if from {
				c.Out.Bytes(data[min(max(n-1, 0), int64(len(data))):])
			} else {
				c.Out.Bytes(data[max(int64(len(data))-n, 0):])
			}
			return nil
		}
		lines := strings.SplitAfter(string(data), "\n")
		if lines[len(lines)-1] == "" {
			lines = lines[:len(lines)-1]
		}
		at := max(int64(len(lines))-n, 0)
		if from {
			at = min(max(n-1, 0), int64(len(lines)))
		}
		c.Out.Text(strings.Join(lines[at:], ""))
		return nil
	})
}

func wc(c *Call) int {
	f, ok := c.parse("l,lines w,words c,bytes m,chars L,max-line-length")
	if !ok {
		return 1
	}
	type counts [5]int64
	var total counts
	var rows []counts
	var names []string
	code := c.inputs(f.args, func(name string, r *bufio.Reader) error {
		var n counts
		err := c.split(r, '\n', func(line string) bool {
			n[1] += int64(len(strings.Fields(line)))
			n[4] = max(n[4], int64(utf8.RuneCountInString(line)))
			n[3] += int64(len(line)) + 1
			n[2] += int64(utf8.RuneCountInString(line)) + 1
			n[0]++
			return true
		})
		// The last line may have no end.
		if c.unended {
			n[0]--
			n[2]--
			n[3]--
		}
		for i := range total {
			total[i] += n[i]
		}
		rows, names = append(rows, n), append(names, name)
		return err
	})
	if len(f.args) > 1 {
		rows, names = append(rows, total), append(names, "total")
	}
	show := []int{0, 1, 3}
	if len(f.values) > 0 {
		show = nil
		for i, flag := range []string{"l", "w", "m", "c", "L"} {
			if f.has(flag) {
				show = append(show, i)
			}
		}
	}
	width := 1
	if len(show) > 1 || len(rows) > 1 {
		for _, row := range rows {
			for _, i := range []int{0, 1, 3} {
				width = max(width, len(strconv.FormatInt(row[i], 10)))
			}
		}
		if len(f.args) == 0 && len(show) > 1 {
			width = 7
		}
	}
	for i, row := range rows {
		for k, column := range show {
			if k > 0 {
				c.printf(" ")
			}
			c.printf("%*d", width, row[column])
		}
		if len(f.args) > 0 {
			c.printf(" %s", names[i])
		}
		c.printf("\n")
	}
	return code
}

func nl(c *Call) int {
	f, ok := c.parse("b= w= s= n= v= i=")
	if !ok {
		return 1
	}
	width, sep, n := 6, "\t", 0
	if f.has("w") {
		width, _ = strconv.Atoi(f.get("w"))
	}
	if f.has("s") {
		sep = f.get("s")
	}
	return c.inputs(f.args, func(_ string, r *bufio.Reader) error {
		return c.lines(r, func(line string) bool {
			if line == "" && f.get("b") != "a" {
				c.printf("%*s\n", min(width, 100)+len(sep), "")
				return true
			}
			n++
			c.printf("%*d%s%s\n", min(width, 100), n, sep, line)
			return true
		})
	})
}

func seq(c *Call) int {
	sep, format, equal := "\n", "", false
	args := c.Args
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' && (args[0][1] < '0' || args[0][1] > '9') && args[0][1] != '.' {
		switch flag := args[0]; {
		case (flag == "-s" || flag == "-f") && len(args) > 1:
			if flag == "-s" {
				sep = args[1]
			} else {
				format = args[1]
			}
			args = args[1:]
		case strings.HasPrefix(flag, "-s"):
			sep = flag[2:]
		case flag == "-w":
			equal = true
		default:
			c.errf("invalid option -- '%s'", flag[1:2])
			return 1
		}
		args = args[1:]
	}
	if len(args) == 0 || len(args) > 3 {
		c.errf("missing operand")
		return 1
	}
	first, step, last := 1.0, 1.0, 0.0
	decimals, width := 0, 0
	numbers := make([]float64, len(args))
	for i, arg := range args {
		n, err := strconv.ParseFloat(arg, 64)
		if err != nil || math.IsNaN(n) {
			c.errf("invalid floating point argument: '%s'", arg)
			return 1
		}
		numbers[i] = n
		if _, after, ok := strings.Cut(arg, "."); ok && (i < len(args)-1 || len(args) == 1) {
			decimals = max(decimals, len(after))
		}
		if equal {
			width = max(width, len(arg))
		}
	}
	switch len(numbers) {
	case 1:
		last = numbers[0]
	case 2:
		first, last = numbers[0], numbers[1]
	default:
		first, step, last = numbers[0], numbers[1], numbers[2]
	}
	if step == 0 {
		c.errf("invalid Zero increment value: '%s'", args[1])
		return 1
	}
	for i := 0; ; i++ {
		v := first + float64(i)*step
		if step > 0 && v > last+step*1e-9 || step < 0 && v < last+step*1e-9 {
			if i > 0 {
				c.Out.Text("\n")
			}
			return 0
		}
		if i > 0 {
			c.Out.Text(sep)
		}
		text := strconv.FormatFloat(v, 'f', min(decimals, 100), 64)
		if format != "" {
			text, _ = c.format(format, []string{text})
		} else if equal {
			text = zeroPad(text, width)
		}
		c.Out.Text(text)
		if c.stopped() {
			return 1
		}
	}
}

func zeroPad(text string, width int) string {
	sign := ""
	if strings.HasPrefix(text, "-") {
		sign, text = "-", text[1:]
	}
	return sign + strings.Repeat("0", max(width-len(sign)-len(text), 0)) + text
}

func yes(c *Call) int {
	text := "y"
	if len(c.Args) > 0 {
		text = strings.Join(c.Args, " ")
	}
	for !c.stopped() {
		c.Out.Text(text + "\n")
	}
	return 1
}

func rev(c *Call) int {
	return c.inputs(c.Args, func(_ string, r *bufio.Reader) error {
		return c.lines(r, func(line string) bool {
			runes := []rune(line)
			for i, j := 0, len(runes)-1; i < j; i, j = i+1, j-1 {
				runes[i], runes[j] = runes[j], runes[i]
			}
			c.printf("%s\n", string(runes))
			return true
		})
	})
}

func tac(c *Call) int {
	return c.inputs(c.Args, func(_ string, r *bufio.Reader) error {
		data, err := c.readAll(r)
		if err != nil {
			return err
		}
		lines := strings.SplitAfter(string(data), "\n")
		for i := len(lines) - 1; i >= 0; i-- {
			c.Out.Text(lines[i])
		}
		return nil
	})
}

func tee(c *Call) int {
	f, ok := c.parse("a,append i,ignore-interrupts p output-error?")
	if !ok {
		return 1
	}
	outs := []io.Writer{c.Out}
	code := 0
	for _, name := range f.args {
		switch name {
		case "/dev/stdout", "-":
			outs = append(outs, c.Out)
			continue
		case "/dev/stderr":
			outs = append(outs, c.Err)
			continue
		}
		flag := 1 | createFlag | truncFlag
		if f.has("a") {
			flag = 1 | createFlag | appendFlag
		}
		h, err := c.FS.Open(c.Who, c.abs(name), flag, 0o666&^c.Umask())
		if err != nil {
			c.errf("%s: %s", name, Reason(err))
			code = 1
			continue
		}
		outs = append(outs, h)
	}
	buf := make([]byte, 16<<10)
	for !c.stopped() {
		n, err := c.In.Read(buf)
		for _, out := range outs {
			if _, err := out.Write(buf[:n]); err != nil {
				c.errf("%s", Reason(err))
				return 1
			}
		}
		if err != nil {
			break
		}
	}
	return code
}
