package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/rogpeppe/go-internal/testscript"
)

// publish MIRROR VERSION puts a release of the plugin into a mirror: this
// binary for this platform, and something else for another one.
func cmdPublish(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: publish MIRROR VERSION")
	}
	self, err := exec.LookPath("autosafe")
	ts.Check(err)
	code, err := os.ReadFile(self)
	ts.Check(err)
	dir := ts.MkAbs(filepath.Join(args[0], "github.com", "acme", pluginName, args[1]))
	ts.Check(os.MkdirAll(dir, 0o777))
	sums := ""
	for platform, content := range map[string][]byte{runtime.GOOS + "_" + runtime.GOARCH: code, "plan9_386": []byte("for plan9")} {
		name := pluginName + "_" + args[1] + "_" + platform
		sums += fmt.Sprintf("%x  %s\n", sha256.Sum256(content), name)
		ts.Check(os.WriteFile(filepath.Join(dir, name), content, 0o666))
	}
	ts.Check(os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(sums), 0o666))
}
