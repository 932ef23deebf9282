package view

import (
	"os"
	"path/filepath"
)

// nearPath is a path as seen from the current folder, where that is shorter.
func nearPath(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(here, abs); err == nil && len(rel) < len(path) {
		return rel
	}
	return path
}
