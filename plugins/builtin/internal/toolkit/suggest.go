package toolkit

import (
	"fmt"
	"strings"
)

// DidYouMean gives ` Did you mean "x"?` for the known name nearest to the one
// given, or "" where none is near: one edit in three characters is.
func DidYouMean(given string, known []string) string {
	best, nearest := max(1, len(given)/3)+1, ""
	for _, name := range known {
		if d := distance(strings.ToLower(given), strings.ToLower(name)); d < best {
			best, nearest = d, name
		}
	}
	if nearest == "" {
		return ""
	}
	return fmt.Sprintf(" Did you mean %q?", nearest)
}

// distance counts the edits between two words (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
