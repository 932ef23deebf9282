package lockfile

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const header = `# Maintained by "autosafe init". Keep it with the recipe, and do not edit it.
`

// scheme stands before a hash. Another kind of hash would have another.
const scheme = "sha256:"

// Bytes is the file's text.
func (f *File) Bytes() []byte {
	var b bytes.Buffer
	b.WriteString(header)
	for _, p := range f.Plugins {
		p.write(&b)
	}
	return b.Bytes()
}

func (p Plugin) write(b *bytes.Buffer) {
	fmt.Fprintf(b, "\nplugin %s {\n", quote(p.Source))
	attrs := [][2]string{{"version", quote(p.Version)}}
	if p.Constraints != "" {
		attrs = append(attrs, [2]string{"constraints", quote(p.Constraints)})
	}
	attrs = append(attrs, [2]string{"protocol", strconv.Itoa(p.Protocol)})
	if p.SigningKey != "" {
		attrs = append(attrs, [2]string{"signing_key", quote(p.SigningKey)})
	}
	aligned(b, "  ", attrs)
	b.WriteString("  hashes = {\n")
	var hashes [][2]string
	for _, platform := range p.Platforms() {
		hashes = append(hashes, [2]string{platform, quote(scheme + p.Hashes[platform])})
	}
	aligned(b, "    ", hashes)
	b.WriteString("  }\n")
	for _, name := range slices.Sorted(maps.Keys(p.Grants)) {
		p.Grants[name].write(b, name)
	}
	b.WriteString("}\n")
}

func (g Grant) write(b *bytes.Buffer, name string) {
	fmt.Fprintf(b, "  grant %s {\n", quote(name))
	var attrs [][2]string
	for _, l := range g.lists() {
		if len(*l.list) == 0 {
			continue
		}
		quoted := make([]string, len(*l.list))
		for i, s := range *l.list {
			quoted[i] = quote(s)
		}
		attrs = append(attrs, [2]string{l.name, "[" + strings.Join(quoted, ", ") + "]"})
	}
	aligned(b, "    ", attrs)
	b.WriteString("  }\n")
}

type grantList struct {
	name string
	list *[]string
}

// lists are the parts of a grant in the order in which they are written.
func (g *Grant) lists() []grantList {
	return []grantList{{"network", &g.Network}, {"read", &g.Read}, {"env", &g.Env}}
}

// aligned writes attributes below each other, as the formatter has them.
func aligned(b *bytes.Buffer, indent string, attrs [][2]string) {
	width := 0
	for _, a := range attrs {
		width = max(width, len(a[0]))
	}
	for _, a := range attrs {
		fmt.Fprintf(b, "%s%-*s = %s\n", indent, width, a[0], a[1])
	}
}

// quote makes a string of HCL.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case unicode.IsControl(r) || !unicode.IsPrint(r) && r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		case !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(b.String())
}

// unquote undoes quote.
func unquote(s string) (string, bool) {
	if !utf8.ValidString(s) || strings.ContainsRune(s, '`') && s[0] == '`' {
		return "", false
	}
	text, err := strconv.Unquote(strings.NewReplacer("$${", "${", "%%{", "%{").Replace(s))
	return text, err == nil && len(s) > 0 && s[0] == '"'
}

// Parse reads the text of a lock file. It must be just what Bytes writes.
func Parse(src []byte) (*File, error) {
	if bytes.Contains(src, []byte("\r\n")) {
		return nil, fmt.Errorf("%s has the line ends of Windows, which autosafe does not write: version control put them there. "+
			"Write the line \"%s text eol=lf\" in the recipe's .gitattributes, and check the file out again", Name, Name)
	}
	r := &reader{lines: strings.Split(string(src), "\n")}
	f, err := r.file()
	if err != nil {
		return nil, err
	}
	got, want := strings.Split(string(src), "\n"), strings.Split(string(f.Bytes()), "\n")
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			return nil, problem(i + 1)
		}
	}
	return f, nil
}

// problem refuses a line.
func problem(line int) error {
	return fmt.Errorf("%s, line %d, is not as autosafe writes it: the file was edited or merged by hand. "+
		"Take the file back from version control, or remove it and run autosafe init", Name, line)
}

// reader goes through the lines. It takes the one form that there is, which
// needs neither lookahead nor recursion, so that no text costs it more than its
// length.
type reader struct {
	lines []string
	next  int
}

// line gives the next line without its indent; "" at the end.
func (r *reader) line() string {
	if r.next >= len(r.lines) {
		return ""
	}
	r.next++
	return strings.TrimLeft(r.lines[r.next-1], " ")
}

func (r *reader) bad() error { return problem(min(max(r.next, 1), len(r.lines))) }

func (r *reader) file() (*File, error) {
	f := &File{}
	if r.line() != strings.TrimSpace(header) {
		return nil, r.bad()
	}
	for r.line() == "" && r.next < len(r.lines) {
		source, ok := block(r.line(), "plugin ")
		if !ok {
			return nil, r.bad()
		}
		p := Plugin{Source: source, Hashes: map[string]string{}, Grants: map[string]Grant{}}
		if err := r.plugin(&p); err != nil {
			return nil, err
		}
		if n := len(f.Plugins); n > 0 && f.Plugins[n-1].Source >= source {
			return nil, r.bad()
		}
		f.Plugins = append(f.Plugins, p)
	}
	if r.next < len(r.lines) {
		return nil, r.bad()
	}
	return f, nil
}

// block reads the head of a block.
func block(line, kind string) (label string, ok bool) {
	rest, ok := strings.CutPrefix(line, kind)
	if !ok {
		return "", false
	}
	if rest, ok = strings.CutSuffix(rest, " {"); !ok {
		return "", false
	}
	return unquote(rest)
}

func (r *reader) plugin(p *Plugin) error {
	for {
		line := r.line()
		if line == "}" {
			if p.Version == "" || CheckSource(p.Source) != nil {
				return r.bad()
			}
			return nil
		}
		if name, ok := block(line, "grant "); ok {
			g, err := r.grant()
			if err != nil {
				return err
			}
			if quote(name) != `"`+name+`"` { // a local name needs no escapes
				return r.bad()
			}
			p.Grants[name] = g
			continue
		}
		if err := r.attribute(p, line); err != nil {
			return err
		}
	}
}

func (r *reader) attribute(p *Plugin, line string) error {
	name, value, _ := strings.Cut(line, "=")
	value = strings.TrimPrefix(value, " ")
	text, ok := unquote(value)
	switch strings.TrimRight(name, " ") {
	case "version":
		p.Version = text
	case "constraints":
		p.Constraints = text
	case "signing_key":
		p.SigningKey = text
	case "protocol":
		n, err := strconv.Atoi(value)
		p.Protocol, ok = n, err == nil
	case "hashes":
		ok = value == "{" && r.hashes(p)
	default:
		ok = false
	}
	if !ok {
		return r.bad()
	}
	return nil
}

func (r *reader) hashes(p *Plugin) bool {
	for {
		line := r.line()
		if line == "}" {
			return true
		}
		name, value, _ := strings.Cut(line, "=")
		platform := strings.TrimRight(name, " ")
		text, ok := unquote(strings.TrimPrefix(value, " "))
		sum, hashed := strings.CutPrefix(text, scheme)
		if !ok || !hashed || CheckPlatform(platform) != nil || !IsHash(sum) {
			return false
		}
		p.Hashes[platform] = sum
	}
}

// IsHash says whether text is a SHA-256 in lower-case hex.
func IsHash(text string) bool {
	b, err := hex.DecodeString(text)
	return err == nil && len(b) == 32 && strings.ToLower(text) == text
}

func (r *reader) grant() (Grant, error) {
	var g Grant
	for {
		line := r.line()
		if line == "}" {
			return g, nil
		}
		name, value, _ := strings.Cut(line, "=")
		i := slices.IndexFunc(g.lists(), func(l grantList) bool { return l.name == strings.TrimRight(name, " ") })
		list, ok := stringList(strings.TrimPrefix(value, " "))
		if i < 0 || !ok {
			return g, r.bad()
		}
		*g.lists()[i].list = list
	}
}

// stringList reads ["a", "b"].
func stringList(text string) (list []string, ok bool) {
	rest, ok := strings.CutPrefix(text, "[")
	if !ok {
		return nil, false
	}
	for {
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return nil, false
		}
		s, ok := unquote(quoted)
		if !ok {
			return nil, false
		}
		list = append(list, s)
		rest = rest[len(quoted):]
		if rest == "]" {
			return list, true
		}
		if rest, ok = strings.CutPrefix(rest, ", "); !ok {
			return nil, false
		}
	}
}
