package export

import (
	"path"
	"slices"
	"strings"
)

// SplitOf is the split that a file's name stands for: train of train.jsonl,
// train-00001-of-00004.parquet and train.jsonl.gz.
func SplitOf(name string) string {
	base := path.Base(name)
	for {
		ext := path.Ext(base)
		if !slices.Contains([]string{".jsonl", ".json", ".parquet", ".gz", ".zst"}, ext) {
			break
		}
		base = strings.TrimSuffix(base, ext)
	}
	if at := len(base) - len("-00000-of-00001"); at > 0 && shardSuffix(base[at:]) {
		return base[:at]
	}
	return base
}

// shardSuffix says whether text is of the form -00000-of-00001.
func shardSuffix(text string) bool {
	digits := func(s string) bool { return strings.Trim(s, "0123456789") == "" }
	return text[0] == '-' && digits(text[1:6]) && text[6:10] == "-of-" && digits(text[10:])
}

// HeldOut says whether a split is, by its name, one to evaluate on.
func HeldOut(split string) bool {
	return slices.Contains([]string{"test", "testing", "validation", "valid", "val", "dev", "eval", "evaluation", "holdout"}, strings.ToLower(split))
}
