package publish

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/engine"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// statement writes provenance.intoto.json, which speaks of all files but
// itself and the checksums.
func (m *maker) statement() error {
	s := &Statement{Type: StatementType, PredicateType: PredicateType, Subject: []Resource{}}
	for _, f := range m.all() {
		s.Subject = append(s.Subject, Resource{Name: f.path, Digest: digestOf(f.sha256)})
	}
	deps, err := m.dependencies()
	if err != nil {
		return err
	}
	s.Predicate = Predicate{
		BuildDefinition: BuildDefinition{
			BuildType: BuildType, ExternalParameters: m.parameters(), ResolvedDependencies: deps,
		},
		RunDetails: RunDetails{Builder: Builder{ID: BuilderID, Version: map[string]string{"autosafe": m.opts.Version}}},
	}
	content, err := s.Encode()
	if err != nil {
		return err
	}
	return m.put(document{name: StatementName, content: content})
}

func digestOf(hex string) map[string]string { return map[string]string{sha256Name: hex} }

func (m *maker) parameters() Parameters {
	p := Parameters{
		Dataset: m.data.Step.Address, Recipe: RecipeRef{SHA256: m.opts.Recipe.Digest.String()},
		Limit: m.data.Limit, Files: []Resource{}, Variables: m.opts.Recipe.Variables,
	}
	for _, f := range m.opts.Recipe.Files {
		p.Files = append(p.Files, Resource{Name: f.Name, Digest: digestOf(f.Digest.String())})
	}
	return p
}

// dependencies are what the build was made of, by kind and then name.
func (m *maker) dependencies() ([]Resource, error) {
	var list []Resource
	if m.opts.Lock != (cache.Digest{}) {
		list = append(list, dependency(LockDependency, "autosafe.lock.hcl", m.opts.Lock.String(), nil))
	}
	var code, sources []Resource
	note := func(address string, role *spec.RoleBody) error {
		code = append(code, componentOf(role)...)
		for _, attr := range sortedKeys(role.Files) {
			files, err := m.filesOf(address, role.Files[attr])
			if err != nil {
				return err
			}
			sources = append(sources, files...)
		}
		for _, granted := range role.Granted {
			files, err := m.filesOf(address, granted)
			if err != nil {
				return err
			}
			sources = append(sources, files...)
		}
		return nil
	}
	for _, s := range m.data.Steps {
		if s.Role == nil {
			continue
		}
		if err := note(s.Address, s.Role); err != nil {
			return nil, err
		}
	}
	for _, o := range m.outputs {
		if err := note(o.Address, &o.Role); err != nil {
			return nil, err
		}
	}
	list = append(list, inOrder(code)...)
	for _, model := range m.models {
		part := engine.ModelPart(model.Model)
		list = append(list, dependency(ModelDependency, model.Name, cache.Sum(part).String(), map[string]string{
			endpointNote: model.Provider.Identity(), parametersNote: string(part),
		}))
	}
	list = append(list, inOrder(sources)...)
	return append(list, dependency(CallsDependency, "model calls", CallsDigest(m.calls.keys).String(), map[string]string{
		countNote: strconv.Itoa(len(m.calls.keys)),
	})), nil
}

// dependency is a resource of a kind; an address of its own stands for what has
// no digest.
func dependency(kind DependencyKind, name, sha256 string, notes map[string]string) Resource {
	r := Resource{Name: name, Annotations: map[string]string{kindNote: string(kind)}}
	if sha256 != "" {
		r.Digest = digestOf(sha256)
	}
	for k, v := range notes {
		r.Annotations[k] = v
	}
	return r
}

// componentOf is a component, and the binary of its plugin where it has one.
func componentOf(role *spec.RoleBody) []Resource {
	c := dependency(ComponentDependency, string(role.Component.Role)+" "+role.Component.Name, "", map[string]string{codeNote: engine.CodePart(role)})
	c.URI = "https://autosafe.dev/component/" + string(role.Component.Role) + "/" + urnText(role.Component.Name)
	list := []Resource{c}
	if role.Plugin.Path == "" {
		return list
	}
	list[0].URI = "https://" + role.Plugin.Source + "#" + string(role.Component.Role) + "." + urnText(role.Component.Name)
	plugin := dependency(PluginDependency, role.Plugin.Source, role.Plugin.Digest, nil)
	plugin.URI = "https://" + role.Plugin.Source
	if role.Plugin.Version != "" {
		plugin.Annotations[versionNote] = role.Plugin.Version
	}
	return append(list, plugin)
}

// filesOf are the files that a step read.
func (m *maker) filesOf(address string, files []schema.File) ([]Resource, error) {
	var list []Resource
	for _, f := range files {
		d, _, err := m.opts.Store.FileDigest(f.Path)
		if err != nil {
			return nil, err
		}
		list = append(list, dependency(SourceDependency, address+"/"+f.Name, d.String(), nil))
	}
	return list, nil
}

// inOrder sorts resources by kind and name, each once.
func inOrder(list []Resource) []Resource {
	slices.SortFunc(list, func(a, b Resource) int {
		return cmp.Or(cmp.Compare(a.Kind(), b.Kind()), cmp.Compare(a.Name, b.Name), cmp.Compare(a.SHA256(), b.SHA256()))
	})
	return slices.CompactFunc(list, func(a, b Resource) bool {
		return a.Kind() == b.Kind() && a.Name == b.Name && a.SHA256() == b.SHA256() && a.Annotations[codeNote] == b.Annotations[codeNote]
	})
}
