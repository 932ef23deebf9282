package spec

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// RecordedFile is a file of a recipe as it may be kept.
type RecordedFile struct {
	Name    string // relative to the recipe's folder, with slashes
	Content []byte
}

// Recorded gives the recipe's files, and the texts that it read with file(),
// in order of name and with every secret cut out, for the record of a build.
// It needs a Decode without errors before it.
func (s *Source) Recorded() []RecordedFile {
	texts := map[string]string{}
	for _, name := range s.names {
		texts[recordedName(s.Dir, name)] = string(s.Files[name].Bytes)
	}
	for path, text := range s.texts {
		texts[recordedName(s.Dir, path)] = text
	}
	files := make([]RecordedFile, 0, len(texts))
	for _, name := range sortedKeys(texts) {
		files = append(files, RecordedFile{name, []byte(s.found.cut(texts[name]))})
	}
	return files
}

func recordedName(dir, path string) string {
	if rel, err := filepath.Rel(dir, path); err == nil {
		path = rel
	}
	return filepath.ToSlash(path)
}

// writtenSecret is a secret that is written out where no evaluation comes:
// in a block that is not enabled.
var writtenSecret = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)(\b[a-z_]*(?:api_key|authorization|token|secret|password)"?\s*[:=]\s*")([^"$\n][^"\n]*)"`)
})

// cut takes the secrets out of the text of a file.
func (s secrets) cut(text string) string {
	const gone = "(sensitive)"
	for _, secret := range longestFirst(s) {
		for _, form := range writtenInFile(secret) {
			if len(secret) < minSecret { // may be a common word
				text = strings.ReplaceAll(text, `"`+form+`"`, `"`+gone+`"`)
				continue
			}
			text = strings.ReplaceAll(text, form, gone)
		}
	}
	words := []string{"api_key", "authorization", "token", "secret", "password"}
	var b strings.Builder
	for line := range strings.Lines(text) {
		// The expression is slow, and few lines have such a word.
		lower := strings.ToLower(line)
		if slices.ContainsFunc(words, func(w string) bool { return strings.Contains(lower, w) }) {
			line = writtenSecret().ReplaceAllString(line, "${1}"+gone+`"`)
		}
		b.WriteString(line)
	}
	return b.String()
}

// writtenInFile is a secret in the forms in which a recipe may hold it: as
// written, with what begins a template doubled, and, where it has several
// lines, each of them, since they may be indented.
func writtenInFile(secret string) []string {
	forms := written(secret)
	for _, form := range slices.Clone(forms) {
		escaped := strings.NewReplacer("${", "$${", "%{", "%%{").Replace(form)
		if escaped != form {
			forms = append(forms, escaped)
		}
	}
	for _, line := range strings.Split(secret, "\n") {
		if line = strings.TrimSpace(line); len(line) >= minSecret && line != secret {
			forms = append(forms, line)
		}
	}
	return forms
}
