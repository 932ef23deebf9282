package evaluate

import "strings"

// Defuse makes text fit for a cell of a table that people open in a spreadsheet:
// what that would take for a formula begins with an apostrophe. Restore takes it
// back.
func Defuse(text string) string {
	if strings.HasPrefix(text, "'") || formula(text) {
		return "'" + text
	}
	return text
}

// Restore gives text as it was before Defuse. Spreadsheets may have taken the
// apostrophe away already.
func Restore(text string) string {
	if rest, ok := strings.CutPrefix(text, "'"); ok && (strings.HasPrefix(rest, "'") || formula(rest)) {
		return rest
	}
	return text
}

// formula says whether a spreadsheet might take text for a formula. Blanks before one
// are passed over by some.
func formula(text string) bool {
	text = strings.TrimLeft(text, " ")
	return text != "" && strings.ContainsRune("=+-@|%\t\r", rune(text[0]))
}
