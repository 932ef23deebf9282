package tools

import (
	"bufio"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"strconv"
	"strings"
)

func base64Text(c *Call) int {
	f, ok := c.parse("d,D,decode i,ignore-garbage w,wrap=")
	if !ok {
		return 1
	}
	wrap := 76
	if f.has("w") {
		var err error
		if wrap, err = strconv.Atoi(f.get("w")); err != nil || wrap < 0 {
			c.errf("invalid wrap size: '%s'", f.get("w"))
			return 1
		}
	}
	return c.inputs(f.args, func(_ string, r *bufio.Reader) error {
		data, err := c.readAll(r)
		if err != nil {
			return err
		}
		if f.has("d") {
			text := strings.Map(func(r rune) rune {
				if r == '\n' || r == '\r' || f.has("i") && !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=", r) {
					return -1
				}
				return r
			}, string(data))
			plain, err := base64.StdEncoding.DecodeString(text)
			c.Out.Bytes(plain)
			if err != nil {
				return fmt.Errorf("invalid input")
			}
			return nil
		}
		text := base64.StdEncoding.EncodeToString(data)
		for wrap > 0 && len(text) > wrap {
			c.printf("%s\n", text[:wrap])
			text = text[wrap:]
		}
		c.Out.Text(text)
		if wrap > 0 && text != "" {
			c.Out.Byte('\n')
		}
		return nil
	})
}

func digest(c *Call) int {
	f, ok := c.parse("c,check b,binary t,text quiet status w,warn tag z strict a=")
	if !ok {
		return 1
	}
	var makeHash func() hash.Hash
	switch c.Name {
	case "md5sum":
		makeHash = md5.New
	case "sha1sum":
		makeHash = sha1.New
	case "sha512sum":
		makeHash = sha512.New
	case "sha256sum":
		makeHash = sha256.New
	default:
		makeHash = func() hash.Hash { return crc32.NewIEEE() }
	}
	sum := func(r io.Reader) (string, error) {
		h := makeHash()
		buf := make([]byte, 32<<10)
		for {
			n, err := r.Read(buf)
			h.Write(buf[:n])
			if err == io.EOF {
				return hex.EncodeToString(h.Sum(nil)), nil
			}
			if err == nil {
				err = c.Ctx.Err()
			}
			if err != nil {
				return "", err
			}
		}
	}
	if !f.has("c") {
		return c.inputs(f.args, func(name string, r *bufio.Reader) error {
			text, err := sum(r)
			if err == nil {
				c.printf("%s  %s\n", text, name)
			}
			return err
		})
	}
	bad := 0
	code := c.inputs(f.args, func(_ string, r *bufio.Reader) error {
		return c.lines(r, func(line string) bool {
			want, name, ok := strings.Cut(line, "  ")
			if !ok {
				return true
			}
			file, err := c.open(name)
			got := ""
			if err == nil {
				got, err = sum(file)
			}
			switch {
			case err != nil:
				c.errf("%s: %s", name, Reason(err))
				c.printf("%s: FAILED open or read\n", name)
				bad++
			case got != want:
				c.printf("%s: FAILED\n", name)
				bad++
			case !f.has("quiet") && !f.has("status"):
				c.printf("%s: OK\n", name)
			}
			return true
		})
	})
	if bad > 0 {
		c.errf("WARNING: %d computed checksum did NOT match", bad)
		return 1
	}
	return code
}

func xxd(c *Call) int {
	f, ok := c.parse("r p,ps,plain l= s= c= u g= b i e C")
	if !ok {
		return 1
	}
	return c.inputs(f.args, func(_ string, r *bufio.Reader) error {
		data, err := c.readAll(r)
		if err != nil {
			return err
		}
		if f.has("r") {
			return c.unhex(f, string(data))
		}
		if n, ok := parseSize(f.get("l")); ok && f.has("l") {
			data = data[:min(n, int64(len(data)))]
		}
		if f.has("p") {
			text := hex.EncodeToString(data)
			for len(text) > 60 {
				c.printf("%s\n", text[:60])
				text = text[60:]
			}
			c.printf("%s\n", text)
			return nil
		}
		for at := 0; at < len(data) && !c.stopped(); at += 16 {
			row := data[at:min(at+16, len(data))]
			var b strings.Builder
			for i, ch := range row {
				fmt.Fprintf(&b, "%02x", ch)
				if i%2 == 1 {
					b.WriteByte(' ')
				}
			}
			c.printf("%08x: %-40s %s\n", at, b.String(), printable(row))
		}
		return nil
	})
}

func printable(row []byte) string {
	text := make([]byte, len(row))
	for i, ch := range row {
		text[i] = '.'
		if ch >= 32 && ch < 127 {
			text[i] = ch
		}
	}
	return string(text)
}

func (c *Call) unhex(f flags, text string) error {
	var digits strings.Builder
	for line := range strings.Lines(text) {
		if !f.has("p") {
			if _, rest, ok := strings.Cut(line, ": "); ok {
				line, _, _ = strings.Cut(rest, "  ")
			}
		}
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	data, err := hex.DecodeString(digits.String())
	c.Out.Bytes(data)
	return err
}

func od(c *Call) int {
	f, ok := c.parse("c x b A,address-radix= t,format= N,read-bytes= v,output-duplicates w? j= a d o")
	if !ok {
		return 1
	}
	return c.inputs(f.args, func(_ string, r *bufio.Reader) error {
		limit := io.Reader(r)
		if n, ok := parseSize(f.get("N")); ok && f.has("N") {
			limit = io.LimitReader(r, n)
		}
		data, err := c.readAll(limit)
		if err != nil {
			return err
		}
		address := func(at int) string {
			switch f.get("A") {
			case "n":
				return ""
			case "x":
				return fmt.Sprintf("%06x", at)
			case "d":
				return fmt.Sprintf("%07d", at)
			}
			return fmt.Sprintf("%07o", at)
		}
		format := f.get("t")
		for at := 0; at < len(data) && !c.stopped(); at += 16 {
			row := data[at:min(at+16, len(data))]
			c.printf("%s", address(at))
			switch {
			case f.has("c") || format == "c":
				for _, ch := range row {
					c.printf(" %3s", odChar(ch))
				}
			case strings.HasPrefix(format, "x1"):
				for _, ch := range row {
					c.printf(" %02x", ch)
				}
			case strings.HasPrefix(format, "u1"):
				for _, ch := range row {
					c.printf(" %3d", ch)
				}
			case strings.HasPrefix(format, "o1") || f.has("b"):
				for _, ch := range row {
					c.printf(" %03o", ch)
				}
			default:
				for i := 0; i < len(row); i += 2 {
					n := int(row[i])
					if i+1 < len(row) {
						n |= int(row[i+1]) << 8
					}
					if f.has("x") || strings.HasPrefix(format, "x") {
						c.printf(" %04x", n)
					} else {
						c.printf(" %06o", n)
					}
				}
			}
			c.printf("\n")
		}
		if end := address(len(data)); end != "" {
			c.printf("%s\n", end)
		}
		return nil
	})
}

func odChar(ch byte) string {
	if at := strings.IndexByte("\a\b\f\n\r\t\v\x00", ch); at >= 0 {
		return `\` + "abfnrtv0"[at:at+1]
	}
	if ch >= 32 && ch < 127 {
		return string(rune(ch))
	}
	return fmt.Sprintf("%03o", ch)
}

func openssl(c *Call) int {
	if len(c.Args) < 2 || c.Args[0] != "rand" {
		c.errf("only `rand' is here")
		return 1
	}
	hexed, coded, n := false, false, int64(0)
	for _, a := range c.Args[1:] {
		switch a {
		case "-hex":
			hexed = true
		case "-base64":
			coded = true
		default:
			n = integer(a)
		}
	}
	data := make([]byte, min(max(n, 0), 1<<20))
	for i := range data {
		data[i] = byte(c.Random(256))
	}
	switch {
	case hexed:
		c.printf("%s\n", hex.EncodeToString(data))
	case coded:
		c.printf("%s\n", base64.StdEncoding.EncodeToString(data))
	default:
		c.Out.Bytes(data)
	}
	return 0
}
