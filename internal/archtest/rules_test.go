package archtest

import (
	"fmt"
	"slices"
	"strings"
)

const module = "github.com/autosafe/autosafe"

// Modules by short names, for the table below.
const (
	cel       = "github.com/google/cel-go"
	compress  = "github.com/klauspost/compress"
	cty       = "github.com/zclconf/go-cty"
	goPlugin  = "github.com/hashicorp/go-plugin"
	goVersion = "github.com/hashicorp/go-version"
	grpc      = "google.golang.org/grpc"
	hcl       = "github.com/hashicorp/hcl/v2"
	hclog     = "github.com/hashicorp/go-hclog"
	minisign  = "aead.dev/minisign"
	aws       = "github.com/aws/aws-sdk-go-v2"
	backoff   = "github.com/cenkalti/backoff/v5"
	dsse      = "github.com/secure-systems-lab/go-securesystemslib"
	smithy    = "github.com/aws/smithy-go"
	xSync     = "golang.org/x/sync"
	ociSpec   = "github.com/opencontainers/image-spec"
	oras      = "oras.land/oras-go/v2"
	landlock  = "github.com/landlock-lsm/go-landlock"
	tokenizer = "github.com/tiktoken-go/tokenizer"
	edits     = "github.com/agext/levenshtein"
	openAI    = "github.com/sashabaranov/go-openai"
	otel      = "go.opentelemetry.io/otel"
	parquet   = "github.com/parquet-go/parquet-go"
	promModel = "github.com/prometheus/client_model"
	promText  = "github.com/prometheus/common"
	protobuf  = "google.golang.org/protobuf"
	shInterp  = "mvdan.cc/sh/v3"
	xNetBPF   = "golang.org/x/net/bpf"
	xSys      = "golang.org/x/sys"
	xTerm     = "golang.org/x/term"
	xText     = "golang.org/x/text"
)

// rule says what the packages at and below a folder may import beside the
// standard library: folders of this module, and other modules. The rule of
// the longest folder that fits counts, alone.
type rule struct {
	folder  string
	own     []string
	modules []string
}

// rules goes from the top down: cmd, internal, plugins, then spec and cache.
func rules() []rule {
	return []rule{
		{"cmd/autosafe", []string{"cmd/autosafe/internal/cli"}, nil},
		{"cmd/autosafe/internal/cli", []string{"cmd/autosafe/internal/view", "internal", "plugins/builtin", "plugins/sdk", "spec", "cache"}, []string{hcl}},
		{"cmd/autosafe/internal/view", []string{"internal/control", "internal/engine", "internal/install", "internal/provenance", "internal/push", "internal/row", "internal/verify", "spec"}, []string{hcl, edits, xTerm, xText}},

		{"internal/archtest", nil, nil},
		{"internal/bench", []string{"plugins/sdk", "plugins/sdk/llmtest"}, nil},
		{"internal/contain", nil, []string{landlock, xNetBPF, xSys}},
		{"internal/control", []string{"internal/engine", "internal/llm"}, nil},
		{"internal/doctest", nil, nil},
		{"internal/e2e", nil, nil},
		{"internal/install", []string{"spec"}, []string{goVersion, hcl, minisign, ociSpec, oras}},
		{"internal/key", nil, nil},
		{"internal/push", []string{"internal/engine", "internal/publish", "internal/signing", "internal/verify"}, []string{aws, smithy, backoff, xSync}},
		{"internal/push/hubtest", nil, nil},
		{"internal/signing", nil, []string{dsse, minisign}},
		{"internal/verify", []string{"internal/engine", "internal/llm", "internal/publish", "internal/signing", "spec/lockfile", "cache"}, []string{xSync}},
		{"internal/row", []string{"spec/jsontext"}, nil},
		{"internal/engine", []string{"internal/key", "internal/row", "spec", "cache"}, nil},
		{"internal/llm", []string{"internal/key", "internal/llm/offline", "spec"}, []string{openAI, tokenizer}},
		{"internal/llm/offline", nil, nil},
		{"internal/skeleton", []string{"plugins/sdk/python", "spec/schema"}, nil},
		{"plugins/sdk/llmtest", nil, nil},
		{"internal/telemetry", []string{"internal/control", "internal/engine", "internal/llm", "spec"}, []string{otel, promText, promModel}},
		{"internal/provenance", []string{"internal/engine", "internal/key", "internal/llm", "internal/row", "spec", "cache"}, nil},
		{"internal/evaluate", []string{"internal/engine", "internal/evaluate/stats", "internal/row", "spec"}, nil},
		{"internal/evaluate/stats", nil, nil},
		{"internal/evaluate/report", []string{"internal/engine", "internal/evaluate", "internal/page", "internal/row", "spec"}, nil},
		{"internal/page", nil, nil},
		{"internal/publish", []string{"internal/engine", "internal/key", "internal/llm", "internal/page", "internal/provenance", "internal/row", "spec", "cache"}, []string{compress, cty}},
		{"internal/pluginhost", []string{"internal/contain", "internal/engine", "internal/llm", "internal/row", "plugins/sdk", "spec", "cache"}, []string{goPlugin, hclog, grpc, protobuf, hcl, cty, goVersion}},

		{"plugins/builtin", []string{"plugins/builtin", "plugins/sdk", "spec/jsontext", "spec/ots", "spec/schema"}, nil},
		{"plugins/builtin/datacheck", []string{"plugins/builtin/export"}, []string{compress}},
		{"plugins/builtin/terminal/shell", []string{"plugins/builtin/terminal/shell"}, []string{shInterp}},
		{"plugins/builtin/export/files", []string{"plugins/sdk", "spec/jsontext", "spec/ots", "spec/schema"}, []string{parquet, compress}},
		{"plugins/sdk", []string{"plugins/sdk", "spec/ots", "spec/schema"}, []string{goPlugin, hclog, grpc, protobuf, cty}},

		{"spec", []string{"spec/schema", "spec/jsontext"}, []string{hcl, cty, cel, edits, goVersion}},
		{"spec/lockfile", nil, nil},
		{"spec/schema", nil, []string{cty}},
		{"spec/ots", []string{"spec/jsonschema"}, nil},
		{"spec/jsonschema", []string{"spec/jsontext"}, nil},
		{"spec/jsontext", nil, nil},
		{"cache", nil, []string{compress}},
	}
}

// soleUsers are libraries that must stay replaceable: the folders that alone
// may import them, in tests too.
func soleUsers() map[string][]string {
	return map[string][]string{
		openAI:   {"internal/llm"},
		goPlugin: {"internal/pluginhost", "plugins/sdk"},
		cel:      {"spec"},
		parquet:  {"plugins/builtin/export/files", "plugins/builtin/parquet", "internal/e2e"},
		compress: {"cache", "plugins/builtin/datacheck", "plugins/builtin/export/files", "internal/publish"},
		minisign: {"internal/install", "internal/signing"},
		dsse:     {"internal/signing"},
		aws:      {"internal/push"},
		backoff:  {"internal/push"},
		oras:     {"internal/install"},
		otel:     {"internal/telemetry"},
		promText: {"internal/telemetry"},
		shInterp: {"plugins/builtin/terminal/shell/internal/machine"},
	}
}

// layers orders the folders for tests, which may import more than the code
// they test, but nothing above it.
func layers() map[string]int {
	return map[string]int{"cmd": 3, "internal": 2, "plugins": 1, "spec": 0, "cache": 0}
}

// pkg is what the rules need to know of a package.
type pkg struct {
	ImportPath   string
	Name         string
	Doc          string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// below says whether path is folder or lies in it.
func below(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}

func belowAny(path string, folders []string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return below(path, f) })
}

// inModule is an import path's folder in this module.
func inModule(path string) (folder string, ok bool) {
	if path == module {
		return ".", true
	}
	return strings.CutPrefix(path, module+"/")
}

// standard says whether an import path is of the standard library: those have
// no dot in their first element.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// ruleFor is the rule of the longest folder that holds the package.
func ruleFor(folder string, table []rule) (rule, bool) {
	var best rule
	for _, r := range table {
		if below(folder, r.folder) && len(r.folder) > len(best.folder) {
			best = r
		}
	}
	return best, best.folder != ""
}

// violations says what a package imports that it may not.
func violations(p pkg, table []rule) []string {
	folder, ok := inModule(p.ImportPath)
	if !ok {
		return nil
	}
	r, ok := ruleFor(folder, table)
	if !ok {
		return []string{folder + " has no rule; add one"}
	}
	var bad []string
	for _, path := range p.Imports {
		own, ours := inModule(path)
		if standard(path) || ours && belowAny(own, r.own) || !ours && belowAny(path, r.modules) {
			continue
		}
		bad = append(bad, fmt.Sprintf("%s must not import %s", folder, path))
	}
	for _, path := range slices.Concat(p.TestImports, p.XTestImports) {
		own, ours := inModule(path)
		if ours && layer(own) > layer(folder) {
			bad = append(bad, fmt.Sprintf("the tests of %s must not import %s, which is above it", folder, path))
		}
	}
	for _, path := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
		for lib, users := range soleUsers() {
			if below(path, lib) && !belowAny(folder, users) {
				bad = append(bad, fmt.Sprintf("%s must not import %s: only %s may", folder, path, strings.Join(users, " and ")))
			}
		}
	}
	slices.Sort(bad)
	return slices.Compact(bad)
}

func layer(folder string) int {
	top, _, _ := strings.Cut(folder, "/")
	return layers()[top]
}

// undocumented says what is wrong with a package's doc comment.
func undocumented(p pkg) string {
	want := "Package " + p.Name + " "
	if p.Name == "main" {
		want = "Command "
	}
	if !strings.HasPrefix(p.Doc, want) {
		return fmt.Sprintf("%s: the package's doc must begin with %q", p.ImportPath, want)
	}
	return ""
}
