package tools

import (
	"bufio"
	"slices"
	"strconv"
	"strings"
)

func fold(c *Call) int {
	f, ok := c.parse("w,width= s,spaces b,bytes")
	if !ok {
		return 1
	}
	width := 80
	if f.has("w") {
		var err error
		if width, err = strconv.Atoi(f.get("w")); err != nil || width < 1 {
			c.errf("invalid number of columns: '%s'", f.get("w"))
			return 1
		}
	}
	return c.inputs(f.args, func(_ string, r *bufio.Reader) error {
		err := c.lines(r, func(line string) bool {
			runes := []rune(line)
			for len(runes) > width {
				end := width
				if space := strings.LastIndexByte(string(runes[:width]), ' '); f.has("s") && space >= 0 {
					end = len([]rune(string(runes[:width])[:space])) + 1
				}
				c.printf("%s\n", string(runes[:end]))
				runes = runes[end:]
			}
			c.Out.Text(string(runes))
			if !c.unended {
				c.Out.Byte('\n')
			}
			return true
		})
		return err
	})
}

func expand(c *Call) int {
	f, ok := c.parse("t,tabs= i")
	if !ok {
		return 1
	}
	stop := 8
	if n, err := strconv.Atoi(f.get("t")); err == nil && n > 0 && n < 1000 {
		stop = n
	}
	return c.inputs(f.args, func(_ string, r *bufio.Reader) error {
		return c.lines(r, func(line string) bool {
			at := 0
			for _, ch := range line {
				if ch == '\t' {
					n := stop - at%stop
					c.Out.Text(strings.Repeat(" ", n))
					at += n
					continue
				}
				c.Out.Rune(ch)
				at++
			}
			c.Out.Byte('\n')
			return true
		})
	})
}

func shuf(c *Call) int {
	f, ok := c.parse("n,head-count= e,echo i,input-range= r,repeat")
	if !ok {
		return 1
	}
	var lines []string
	switch {
	case f.has("e"):
		lines = slices.Clone(f.args)
	case f.has("i"):
		from, to, _ := strings.Cut(f.get("i"), "-")
		a, b := integer(from), integer(to)
		if b-a > 1e6 {
			c.errf("a range of more than a million is not supported here")
			return 1
		}
		for ; a <= b; a++ {
			lines = append(lines, strconv.FormatInt(a, 10))
		}
	default:
		if code := c.inputs(f.args, func(_ string, r *bufio.Reader) error {
			data, err := c.readAll(r)
			lines = append(lines, splitLines(data)...)
			return err
		}); code != 0 {
			return code
		}
	}
	for i := len(lines) - 1; i > 0; i-- {
		k := c.Random(i + 1)
		lines[i], lines[k] = lines[k], lines[i]
	}
	if n, ok := parseSize(f.get("n")); ok && f.has("n") {
		lines = lines[:min(n, int64(len(lines)))]
	}
	for _, line := range lines {
		c.printf("%s\n", line)
	}
	return 0
}

func column(c *Call) int {
	f, ok := c.parse("t,table s,separator= o,output-separator= c= n x")
	if !ok {
		return 1
	}
	out := "  "
	if f.has("o") {
		out = f.get("o")
	}
	var rows [][]string
	code := c.inputs(f.args, func(_ string, r *bufio.Reader) error {
		data, err := c.readAll(r)
		for _, line := range splitLines(data) {
			cells := strings.Fields(line)
			if f.has("s") {
				cells = strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(f.get("s"), r) })
			}
			if !f.has("t") {
				cells = []string{line}
			}
			if len(cells) > 0 {
				rows = append(rows, cells)
			}
		}
		return err
	})
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	for _, row := range rows {
		for i, cell := range row[:len(row)-1] {
			c.printf("%s%s%s", cell, strings.Repeat(" ", widths[i]-len([]rune(cell))), out)
		}
		c.printf("%s\n", row[len(row)-1])
	}
	return code
}

func join(c *Call) int {
	f, ok := c.parse("t= 1= 2= j= a= o= i,ignore-case e= v= check-order nocheck-order header")
	if !ok {
		return 1
	}
	if len(f.args) != 2 {
		c.errf("missing operand")
		return 1
	}
	split := func(line string) []string {
		if f.has("t") {
			return strings.Split(line, f.get("t"))
		}
		return strings.Fields(line)
	}
	sep := " "
	if f.has("t") {
		sep = f.get("t")
	}
	key := func(row []string, flag string) (string, []string) {
		n := max(int(integer(f.get(flag)+f.get("j"))), 1)
		if n > len(row) {
			return "", row
		}
		return row[n-1], slices.Delete(slices.Clone(row), n-1, n)
	}
	var both [2][]string
	for i, name := range f.args {
		data, err := c.slurp(name)
		if err != nil {
			c.errf("%s: %s", name, Reason(err))
			return 1
		}
		both[i] = splitLines(data)
	}
	second := map[string][][]string{}
	for _, line := range both[1] {
		k, rest := key(split(line), "2")
		second[k] = append(second[k], rest)
	}
	for _, line := range both[0] {
		k, rest := key(split(line), "1")
		matches := second[k]
		for _, other := range matches {
			c.printf("%s\n", strings.Join(slices.Concat([]string{k}, rest, other), sep))
		}
		if len(matches) == 0 && f.get("a") == "1" {
			c.printf("%s\n", strings.Join(append([]string{k}, rest...), sep))
		}
		if c.stopped() {
			return 1
		}
	}
	return 0
}
