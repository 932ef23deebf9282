package cli

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/cmd/autosafe/internal/view"
	"github.com/autosafe/autosafe/internal/engine"
)

// A plan file holds a digest of its own text, so that what was not written by
// autosafe plan is not built; and digests of what its steps are made of, so
// that a stale plan can say which of these differ.

// noSum stands in the text in place of its digest while that is taken.
const noSum = "0000000000000000000000000000000000000000000000000000000000000000"

// seal puts the digest of a plan file's text into it.
func seal(text []byte) []byte {
	sum := sha256.Sum256(text)
	return bytes.Replace(text, []byte(noSum), []byte(hex.EncodeToString(sum[:])), 1)
}

// sealed says whether the text is as it was written.
func sealed(text []byte, sum string) bool {
	return len(sum) == len(noSum) && bytes.Equal(seal(bytes.Replace(text, []byte(sum), []byte(noSum), 1)), text)
}

// partSums are digests of the parts of the keys of steps that are to run, by
// address and name.
func partSums(plan *engine.Plan) map[string]map[string]string {
	steps := map[string]map[string]string{}
	for _, s := range plan.Steps {
		if s.Status == engine.StatusHit {
			continue
		}
		parts := map[string]string{}
		for _, p := range s.Base {
			parts[p.Name] = cache.Sum([]byte(parts[p.Name] + string(p.Value))).String()
		}
		steps[s.Address] = parts
	}
	return steps
}

// stepChanges says what of a step is other than planned though its counts are
// the same.
func stepChanges(was, is engine.StepPlan, before, after map[string]string) []string {
	var changes, names []string
	if before != nil && after != nil {
		for _, name := range slices.Sorted(allKeys(before, after)) {
			if before[name] != after[name] {
				names = append(names, name)
			}
		}
	}
	if len(names) > 0 {
		changes = append(changes, is.Address+": differs in "+strings.Join(names, ", "))
	}
	for _, text := range view.WorkChanges(was.Work, is.Work) {
		changes = append(changes, is.Address+": "+text)
	}
	return changes
}
