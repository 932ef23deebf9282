package main

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"
)

const (
	maxName    = 64 // the longest name of a function that model endpoints take
	maxToolkit = 32
)

// fit makes a name of characters that the name of a function may have
// (letters, digits, _ and -). What it may not have becomes one _.
func fit(name string) string {
	var b strings.Builder
	gap := false
	for _, r := range name {
		if r < 128 && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_') {
			if gap && b.Len() > 0 {
				b.WriteByte('_')
			}
			gap = false
			b.WriteRune(r)
			continue
		}
		gap = true
	}
	return b.String()
}

// toolkitName makes a toolkit's name of what a server calls itself.
func toolkitName(server string) string {
	name := fit(server)
	if len(name) > maxToolkit {
		name = strings.TrimRight(name[:maxToolkit], "_-")
	}
	if name == "" {
		return "mcp"
	}
	return name
}

// key tells tools of different servers apart.
type key struct{ toolkit, tool string }

// fullNames gives every tool the name by which an agent calls it: the prefix,
// then the tool's own name. A name that had to be changed, and by that became
// another one's, ends in a digest; so does one that is too long. The name of a
// tool does not depend on the order of the others.
func fullNames(tools []key, prefix func(key) string) map[key]string {
	plain := make(map[key]string, len(tools))
	takers := map[string]int{}
	for _, k := range tools {
		name := prefix(k) + fit(k.tool)
		plain[k] = name
		takers[name]++
	}
	exact := map[string]int{}
	for _, k := range tools {
		if prefix(k)+k.tool == plain[k] {
			exact[plain[k]]++
		}
	}
	out := make(map[key]string, len(tools))
	for _, k := range tools {
		name := plain[k]
		unchanged := prefix(k)+k.tool == name
		alone := takers[name] == 1 || unchanged && exact[name] == 1
		if fit(k.tool) == "" || !alone || len(name) > maxName {
			sum := sha256.Sum256([]byte(k.toolkit + "\x00" + k.tool))
			tail := "_" + hex.EncodeToString(sum[:4])
			name = name[:min(len(name), maxName-len(tail))] + tail
		}
		out[k] = name
	}
	return out
}

// words cuts a name into words in lower case: read_file, readFile and
// files/read give "read" and "file".
func words(name string) []string {
	var b strings.Builder
	var last rune
	for _, r := range name {
		letter := unicode.IsLetter(r) || unicode.IsDigit(r)
		if !letter || unicode.IsUpper(r) && (unicode.IsLower(last) || unicode.IsDigit(last)) {
			b.WriteByte(' ')
		}
		if letter {
			b.WriteRune(unicode.ToLower(r))
		}
		last = r
	}
	return strings.Fields(b.String())
}
