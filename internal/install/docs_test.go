package install

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/spec/lockfile"
)

// TestGuide reads the examples of docs/plugins.md as what they are examples of.
func TestGuide(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "plugins.md"))
	if err != nil {
		t.Fatal(err)
	}
	configs, locks, indexes := 0, 0, 0
	for _, m := range regexp.MustCompile("(?ms)^```(hcl|json)\n(.*?)^```").FindAllStringSubmatch(string(doc), -1) {
		switch text := m[2]; {
		case strings.HasPrefix(text, "# config.hcl"):
			configs++
			if _, err := ParseConfig("config.hcl", []byte(text)); err != nil {
				t.Errorf("%v in\n%s", err, text)
			}
		case strings.HasPrefix(text, "# Maintained"):
			locks++
			if _, err := lockfile.Parse([]byte(text)); err != nil {
				t.Errorf("%v in\n%s", err, text)
			}
		case m[1] == "json":
			indexes++
			if x, err := readIndex([]byte(text)); err != nil || len(x.offers()) != 2 {
				t.Errorf("%v in\n%s", err, text)
			}
		}
	}
	if configs < 3 || locks != 1 || indexes != 1 {
		t.Errorf("%d configurations, %d lock files, %d indexes", configs, locks, indexes)
	}
}
