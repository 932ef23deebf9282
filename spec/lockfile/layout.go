package lockfile

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
)

// binaryPrefix begins the file name of every plugin.
const binaryPrefix = "autosafe-plugin-"

// Platform is this machine's platform, such as linux_amd64.
func Platform() string { return runtime.GOOS + "_" + runtime.GOARCH }

// CheckPlatform says what is wrong with the name of a platform.
func CheckPlatform(platform string) error {
	system, arch, ok := strings.Cut(platform, "_")
	if !ok || !plain(system) || !plain(arch) || system[0] <= '9' {
		return fmt.Errorf("%q is no platform; write one such as linux_amd64", platform)
	}
	return nil
}

func plain(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// CheckSource says what is wrong with a plugin's source. It keeps a source
// from leading out of the folders, and the servers' paths, that are made of it.
func CheckSource(source string) error {
	bad := !filepath.IsLocal(filepath.FromSlash(source)) || path.Clean(source) != source || source == "." || len(source) > 255
	for _, r := range source {
		bad = bad || r > '~' || r <= ' ' || strings.ContainsRune(`\:%?#"'$`, r)
	}
	if bad {
		return fmt.Errorf("%q is not a plugin source; write one such as github.com/acme/autosafe-plugin-acme", source)
	}
	return nil
}

// Program is the name of a source's program: autosafe-plugin-acme.
func Program(source string) string {
	return binaryPrefix + strings.TrimPrefix(path.Base(source), binaryPrefix)
}

// BinaryName is the file name of a source's binary on a platform.
func BinaryName(source, platform string) string {
	return Program(source) + suffix(platform)
}

// LocalName is the file name of a binary that lies beside no version, as one
// has it while writing a plugin, on this platform.
func LocalName(name string) string { return binaryPrefix + name + suffix(Platform()) }

func suffix(platform string) string {
	if strings.HasPrefix(platform, "windows_") {
		return ".exe"
	}
	return ""
}

// Path is where the binary of a version lies below a folder of plugins.
func Path(root, source, version, platform string) string {
	return filepath.Join(root, filepath.FromSlash(source), version, platform, BinaryName(source, platform))
}

// receiptName is beside each installed binary.
const receiptName = ".install.json"

// Receipt notes what was installed. Nobody believes it: it only helps to say
// what has become of a binary that is not the one that is locked.
type Receipt struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	From   string `json:"from"`
}

// Write writes the receipt of a binary.
func (r Receipt) Write(binary string) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(filepath.Dir(binary), receiptName), append(b, '\n'), 0o644)
}

// ReadReceipt reads the receipt of a binary, if there is one.
func ReadReceipt(binary string) (r Receipt, ok bool) {
	path := filepath.Join(filepath.Dir(binary), receiptName)
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > 64<<10 {
		return r, false
	}
	b, err := os.ReadFile(path)
	return r, err == nil && json.Unmarshal(b, &r) == nil
}
