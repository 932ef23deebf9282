package spec

import (
	"fmt"
	"strings"

	"github.com/agext/levenshtein"
)

// suggest returns ` Did you mean "x"?` for the known name nearest to given,
// or "" if none is near.
func suggest(given string, known []string) string {
	if name := nearest(given, known); name != "" {
		return fmt.Sprintf(" Did you mean %q?", name)
	}
	return ""
}

// nearest ignores case and allows one edit, two from four letters on, and one
// more for every four letters after that. Of names equally near, the first in
// known wins.
func nearest(given string, known []string) string {
	allowed := 1
	if len(given) >= 4 {
		allowed = 1 + len(given)/4
	}
	best, bestDistance := "", allowed+1
	folded := strings.ToLower(given)
	for _, name := range known {
		d := levenshtein.Distance(folded, strings.ToLower(name), nil)
		if d < bestDistance && d < len(given) {
			best, bestDistance = name, d
		}
	}
	return best
}
