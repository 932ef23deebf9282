package engine

import (
	"slices"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/key"
	"github.com/autosafe/autosafe/spec"
)

// What follows is how keys are made, for those who explain them.

// TaskKey is the key of a task: of a step with the base given, the digest of
// the columns that its component reads of the row, and the sample. LoadTask
// finds its record.
func TaskKey(base key.List, columns cache.Digest, sample int) cache.Digest {
	return newRowKeys(base).key(columns, sample)
}

// ModelPart is what of a model stands in keys, as JSON.
func ModelPart(m *spec.Model) []byte { return modelPart(m) }

// CodePart is what of a component's code stands in keys.
func CodePart(b *spec.RoleBody) string { return code(b) }

// OutputParts is the list of an output's key, for an input with the digest
// given.
func OutputParts(store *cache.Store, dataset *spec.Step, out *spec.OutputBody, input cache.Digest) (key.List, error) {
	digest := func(path string) (cache.Digest, error) {
		d, _, err := store.FileDigest(path)
		return d, err
	}
	return outputKey(dataset.Dataset, out, restsOnOffline(dataset), input, digest)
}

// restsOnOffline says whether rows of a step rest on the offline model.
func restsOnOffline(s *spec.Step) bool {
	seen := map[*spec.Step]bool{}
	var rests func(*spec.Step) bool
	rests = func(s *spec.Step) bool {
		if seen[s] {
			return false
		}
		seen[s] = true
		return usesOffline(s) || slices.ContainsFunc(s.Inputs, rests) || slices.ContainsFunc(s.After, rests)
	}
	return rests(s)
}
