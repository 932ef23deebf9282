package publish

import (
	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/engine"
)

// Define says of a dataset what a statement would say that it is made of: the
// recipe, the lock, plugins, models, the files that are read, and the calls,
// which are in order. Of d it looks at the blocks of the recipe and at nothing
// that a build has left.
func Define(opts Options, d *engine.Dataset, keys []cache.Digest) (BuildDefinition, error) {
	f := &facts{opts: opts, data: d, models: modelsOf(d), calls: &calls{keys: keys}}
	for _, o := range d.Outputs {
		f.outputs = append(f.outputs, output{DatasetOutput: o})
	}
	m := &maker{facts: f}
	deps, err := m.dependencies()
	return BuildDefinition{BuildType: BuildType, ExternalParameters: m.parameters(), ResolvedDependencies: deps}, err
}
