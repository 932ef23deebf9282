package verify

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/internal/publish"
)

// FuzzFolder reads lists and statements that anybody may have written. Nothing
// outside the folder is ever read: its digest would be told.
func FuzzFolder(f *testing.F) {
	good := sumOf("# Rows\n") + "  README.md\n"
	f.Add(good, `{"_type":"https://in-toto.io/Statement/v1"}`)
	f.Add(sumOf("x")+"  ../secret\n", "{}")
	f.Add("\\"+good, "null")
	f.Fuzz(func(t *testing.T, sums, statement string) {
		root := t.TempDir()
		dir := filepath.Join(root, "dist")
		write(t, dir, "README.md", "# Rows\n")
		write(t, root, "secret", "secret")
		write(t, dir, publish.SumsName, sums)
		write(t, dir, publish.StatementName, statement)
		folder, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer folder.Close()
		r, err := Run(t.Context(), folder, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range r.Problems {
			if strings.Contains(p.What, sumOf("secret")) && !strings.Contains(sums+statement, sumOf("secret")) {
				t.Errorf("a file outside was read: %+v", p)
			}
		}
		if left, err := os.ReadFile(filepath.Join(root, "secret")); err != nil || string(left) != "secret" {
			t.Errorf("a file outside was changed: %q, %v", left, err)
		}
	})
}
