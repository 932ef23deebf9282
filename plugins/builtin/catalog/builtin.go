package catalog

import (
	"embed"
	"fmt"
	"io/fs"
	"path"

	"github.com/autosafe/autosafe/plugins/builtin/internal/toolkit"
)

//go:embed data
var data embed.FS // the embedded files; never changed

// licence is that of the embedded toolkits: the project's own.
const licence = "Apache-2.0"

// Builtin reads the embedded toolkits, in order of domain and file.
func Builtin() ([]toolkit.Toolkit, error) {
	var out []toolkit.Toolkit
	for _, domain := range toolkit.Domains() {
		names, err := fs.Glob(data, path.Join("data", domain, "*.json"))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			text, err := data.ReadFile(name)
			if err != nil {
				return nil, err
			}
			list, err := toolkit.Parse(path.Join("catalog", domain, path.Base(name)), text)
			if err != nil {
				return nil, err
			}
			for _, t := range list {
				if t.Domain != domain {
					return nil, fmt.Errorf("%s: its domain is %q but it lies under %q", t.File, t.Domain, domain)
				}
				t.Licence = licence
				out = append(out, t)
			}
		}
	}
	return out, nil
}
