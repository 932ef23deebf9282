// Package frozen holds the plugin protocol as it was when it was first used,
// so that tests can hold each later one to it. A released minor version may be
// added beside it; none is ever changed or removed:
//
//	protoc -I plugins/sdk/proto --descriptor_set_out=plugins/sdk/pluginpb/frozen/plugin-1.N.pb autosafe/plugin/v1/plugin.proto
package frozen

import (
	"embed"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

//go:embed *.pb
var files embed.FS

// Versions are the names of the frozen versions: 1.0 and later ones.
func Versions() ([]string, error) {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		var minor int
		if _, err := fmt.Sscanf(e.Name(), "plugin-1.%d.pb", &minor); err != nil {
			return nil, fmt.Errorf("%s is named wrongly: %w", e.Name(), err)
		}
		out = append(out, fmt.Sprintf("1.%d", minor))
	}
	return out, nil
}

// Protocol is the protocol as it was in a version.
func Protocol(version string) (protoreflect.FileDescriptor, error) {
	b, err := files.ReadFile("plugin-" + version + ".pb")
	if err != nil {
		return nil, err
	}
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(b, &set); err != nil {
		return nil, err
	}
	if len(set.GetFile()) != 1 {
		return nil, fmt.Errorf("version %s has %d files, want 1", version, len(set.GetFile()))
	}
	return protodesc.NewFile(set.GetFile()[0], nil)
}
