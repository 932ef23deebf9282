package spec

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/go-version"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"
)

// maxFileSize bounds a recipe file, so that hostile nesting cannot exhaust
// the parser's stack. A thousand blocks take about 100 KB.
const maxFileSize = 1 << 20

// lockFileName stands in a recipe's folder but is not part of the recipe.
const lockFileName = "autosafe.lock.hcl"

// Source is a recipe that has been read but not evaluated.
type Source struct {
	Dir string
	// Files are the recipe's files by name, for printing diagnostics. Decode
	// adds the variable files that it reads.
	Files map[string]*hcl.File
	// RequiredPlugins are the plugins of the required_plugins blocks, in
	// order of name.
	RequiredPlugins []PluginRequirement

	names    []string // of the recipe's files, in order
	versions []versionConstraint

	found secrets           // by Decode
	texts map[string]string // that file() has read, by path
}

// PluginRequirement is one entry of required_plugins.
type PluginRequirement struct {
	Name    string // local name; prefix of its components' labels
	Source  string // github.com/acme/autosafe-plugin-acme
	Version string // constraint; "" for any
	// SigningKey is the minisign key that releases must be signed by; "" for
	// any, or none.
	SigningKey string
	Grant      Grant
	Range      hcl.Range
}

type versionConstraint struct {
	constraints version.Constraints
	rng         hcl.Range
}

// Parse reads the syntax of every *.hcl and *.hcl.json file in a folder, and
// the autosafe block. The Source is never nil, and its Files serve to print
// the diagnostics. A caller who knows autosafe's version calls CheckVersion
// before it shows any other problem.
func Parse(dir string) (*Source, hcl.Diagnostics) {
	s := &Source{Dir: dir, Files: map[string]*hcl.File{}}
	names, diag := recipeFiles(dir)
	if diag != nil {
		return s, hcl.Diagnostics{diag}
	}
	var diags hcl.Diagnostics
	for _, name := range names {
		file, moreDiags := parseFile(name)
		diags = append(diags, onePerLine(moreDiags)...)
		if file != nil {
			s.Files[name] = file
			s.names = append(s.names, name)
		}
	}
	if !diags.HasErrors() {
		diags = append(diags, s.readSettings()...)
	}
	hideLiteralSecrets(diags, s.Files)
	return s, diags
}

// onePerLine drops problems that repeat on a line: a missing bracket is
// missed once for every bracket around it.
func onePerLine(diags hcl.Diagnostics) hcl.Diagnostics {
	type id struct {
		summary string
		line    int
	}
	seen := map[id]bool{}
	return slices.DeleteFunc(diags, func(d *hcl.Diagnostic) bool {
		if d.Subject == nil {
			return false
		}
		key := id{d.Summary, d.Subject.Start.Line}
		repeated := seen[key]
		seen[key] = true
		return repeated
	})
}

// recipeFiles lists the files of a recipe in order of name.
func recipeFiles(dir string) ([]string, *hcl.Diagnostic) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, problem("No such folder", "There is no folder %q. Give the folder that holds the recipe's *.hcl files.", dir)
	case err != nil:
		return nil, problem("Unreadable folder", "The recipe's folder cannot be read: %s.", err)
	case !info.IsDir():
		return nil, problem("Not a folder", "%q is a file. A recipe is a folder: all *.hcl files in it together. Give its folder, %q.", dir, filepath.Dir(dir))
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, problem("Unreadable folder", "The recipe's folder cannot be read: %s.", err)
	}
	var names []string
	for _, e := range entries {
		if isRecipeFile(e.Name()) && !e.IsDir() {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	if len(names) == 0 {
		return nil, problem("No recipe", "The folder %q holds no *.hcl or *.hcl.json file. Give the folder of a recipe.", dir)
	}
	return names, nil
}

func isRecipeFile(name string) bool {
	if strings.HasPrefix(name, ".") || name == lockFileName {
		return false
	}
	return strings.HasSuffix(name, ".hcl") || strings.HasSuffix(name, ".hcl.json")
}

func parseFile(name string) (*hcl.File, hcl.Diagnostics) {
	src, err := readRegular(name, maxFileSize)
	if err != nil {
		return nil, hcl.Diagnostics{problem("Unreadable file", "The file %q cannot be read: %s.", name, err)}
	}
	return parseSource(name, src)
}

// parseSource parses HCL in either syntax, by the file's name. A file comes
// back whatever is wrong with it, to show its lines.
func parseSource(name string, src []byte) (*hcl.File, hcl.Diagnostics) {
	if diag := checkNesting(name, src); diag != nil {
		return &hcl.File{Bytes: src, Body: hcl.EmptyBody()}, hcl.Diagnostics{diag}
	}
	if strings.HasSuffix(name, ".json") {
		return hcljson.Parse(src, name)
	}
	return hclsyntax.ParseConfig(src, name, hcl.InitialPos)
}

// readRegular reads a regular file of at most limit bytes. Devices and pipes,
// which may never end, are refused.
func readRegular(name string, limit int64) ([]byte, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, plainPathError(err)
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a regular file")
	case info.Size() > limit:
		return nil, fmt.Errorf("it is larger than %d MiB", limit>>20)
	}
	src, err := os.ReadFile(name)
	return src, plainPathError(err)
}

// plainPathError drops the operation and the path, which the message has.
func plainPathError(err error) error {
	var pathErr *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("it does not exist")
	case errors.As(err, &pathErr):
		return pathErr.Err
	}
	return err
}

// readSettings reads the autosafe blocks.
func (s *Source) readSettings() hcl.Diagnostics {
	var diags hcl.Diagnostics
	root := &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "autosafe"}}}
	body := &hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "required_version"}},
		Blocks:     []hcl.BlockHeaderSchema{{Type: "required_plugins"}, {Type: "grant", LabelNames: []string{"plugin"}}},
	}
	var grants []*hcl.Block
	for _, name := range s.names {
		content, _, moreDiags := s.Files[name].Body.PartialContent(root)
		diags = append(diags, moreDiags...)
		for _, block := range content.Blocks {
			settings, moreDiags := block.Body.Content(body)
			diags = append(diags, moreDiags...)
			if attr, ok := settings.Attributes["required_version"]; ok {
				diags = append(diags, s.readVersion(attr)...)
			}
			for _, block := range settings.Blocks {
				if block.Type == "grant" {
					grants = append(grants, block)
					continue
				}
				diags = append(diags, s.readPlugins(block)...)
			}
		}
	}
	slices.SortFunc(s.RequiredPlugins, func(a, b PluginRequirement) int { return strings.Compare(a.Name, b.Name) })
	return append(diags, s.readGrants(grants)...)
}

func (s *Source) readVersion(attr *hcl.Attribute) hcl.Diagnostics {
	text, diags := literalString(attr.Name, attr.Expr)
	if diags.HasErrors() {
		return diags
	}
	constraints, err := version.NewConstraint(text)
	if err != nil {
		return hcl.Diagnostics{problemAt(attr.Expr.Range(), "Invalid version constraint",
			"%q is not a version constraint. Write one such as \">= 0.1.0\" or \"~> 1.2\".", text)}
	}
	s.versions = append(s.versions, versionConstraint{constraints, attr.Expr.Range()})
	return nil
}

// CheckVersion checks autosafe's version against the recipe's
// required_version. A development build, whose version is empty or "dev",
// passes, and a pre-release counts as the release it leads to.
func (s *Source) CheckVersion(current string) hcl.Diagnostics {
	if current == "" || current == "dev" {
		return nil
	}
	v, err := version.NewVersion(current)
	if err != nil {
		return hcl.Diagnostics{problem("Invalid version", "autosafe's own version, %q, is not a version.", current)}
	}
	var diags hcl.Diagnostics
	for _, c := range s.versions {
		if !c.constraints.Check(v.Core()) {
			diags = append(diags, problemAt(c.rng, "Unsuitable autosafe version",
				"This recipe needs autosafe %s; this is autosafe %s. Install a version that fits, or change required_version if you know that the recipe works with this one.", c.constraints, current))
		}
	}
	return diags
}

func (s *Source) readPlugins(block *hcl.Block) hcl.Diagnostics {
	attrs, diags := block.Body.JustAttributes()
	for _, attr := range sortedAttrs(attrs) {
		req, moreDiags := readPlugin(attr)
		diags = append(diags, moreDiags...)
		if moreDiags.HasErrors() {
			continue
		}
		i := slices.IndexFunc(s.RequiredPlugins, func(r PluginRequirement) bool { return r.Name == req.Name })
		if i >= 0 {
			diags = append(diags, problemAt(attr.NameRange, "Duplicate plugin",
				"The plugin %q was already required at %s. Keep one entry.", req.Name, place(s.RequiredPlugins[i].Range)))
			continue
		}
		s.RequiredPlugins = append(s.RequiredPlugins, req)
	}
	return diags
}

func readPlugin(attr *hcl.Attribute) (PluginRequirement, hcl.Diagnostics) {
	req := PluginRequirement{Name: attr.Name, Range: attr.Range}
	pairs, diags := hcl.ExprMap(attr.Expr)
	if diags.HasErrors() {
		return req, hcl.Diagnostics{problemAt(attr.Expr.Range(), "Invalid plugin requirement",
			"A required plugin is an object with its source and version: { source = \"github.com/acme/autosafe-plugin-acme\", version = \"~> 1.2\" }.")}
	}
	for _, pair := range pairs {
		key, moreDiags := literalString("key", pair.Key)
		if moreDiags.HasErrors() {
			diags = append(diags, moreDiags...)
			continue
		}
		value, moreDiags := literalString(key, pair.Value)
		diags = append(diags, moreDiags...)
		if moreDiags.HasErrors() {
			continue
		}
		switch key {
		case "source":
			req.Source = value
		case "version":
			if _, err := version.NewConstraint(value); err != nil {
				diags = append(diags, problemAt(pair.Value.Range(), "Invalid version constraint",
					"%q is not a version constraint. Write one such as \">= 0.1.0\" or \"~> 1.2\".", value))
			}
			req.Version = value
		case "signing_key":
			if !isSigningKey(value) {
				diags = append(diags, problemAt(pair.Value.Range(), "Invalid signing key",
					"%q is not a minisign public key. Give the second line of the publisher's minisign.pub, which begins with RW.", value))
			}
			req.SigningKey = value
		default:
			diags = append(diags, problemAt(pair.Key.Range(), "Unsupported argument",
				"A required plugin has no %q.%s It takes source, version and signing_key.", key, suggest(key, []string{"source", "version", "signing_key"})))
		}
	}
	if req.Source == "" && !diags.HasErrors() {
		diags = append(diags, problemAt(attr.Expr.Range(), "Invalid plugin requirement",
			"The plugin %q has no source. Name where it comes from: source = \"github.com/acme/autosafe-plugin-acme\".", attr.Name))
	}
	return req, diags
}

// isSigningKey says whether text is a public key of minisign: an algorithm of
// two bytes, an id of eight, and an Ed25519 key.
func isSigningKey(text string) bool {
	b, err := base64.StdEncoding.DecodeString(text)
	return err == nil && len(b) == 2+8+32 && string(b[:2]) == "Ed"
}
