// Package python holds the module with which plugins in Python are written,
// so that it can be put beside a plugin that autosafe plugins new makes. It
// has no code of its own.
package python

import "embed"

// ModuleName is the name of the Python package.
const ModuleName = "autosafe_plugin"

// Module gives the package's files, below a folder of its name.
//
//go:embed autosafe_plugin/*.py
var Module embed.FS
