package pluginpb_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
	"github.com/autosafe/autosafe/plugins/sdk/pluginpb/frozen"
)

// advice ends what is said of each broken promise.
const advice = "Plugins that are out there were built with it. Put it back, and add a new field, message or call beside it; a peer learns of that from Capabilities, or from a field's presence. What cannot be added is a new major: a package autosafe.plugin.v2."

// TestProtocolOnlyGrows holds the protocol to each version that was frozen.
func TestProtocolOnlyGrows(t *testing.T) {
	versions, err := frozen.Versions()
	if err != nil || len(versions) == 0 {
		t.Fatalf("%d frozen versions: %v", len(versions), err)
	}
	for _, v := range versions {
		old, err := frozen.Protocol(v)
		if err != nil {
			t.Fatal(err)
		}
		for _, broken := range changes(old, pluginpb.File_autosafe_plugin_v1_plugin_proto) {
			t.Errorf("protocol %s: %s. %s", v, broken, advice)
		}
	}
}

// changes lists what of the old protocol is not as it was.
func changes(old, now protoreflect.FileDescriptor) (out []string) {
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if old.Package() != now.Package() {
		add("the package %s is %s now", old.Package(), now.Package())
	}
	for i := range old.Services().Len() {
		was := old.Services().Get(i)
		is := now.Services().ByName(was.Name())
		for j := range was.Methods().Len() {
			m := was.Methods().Get(j)
			if is == nil || is.Methods().ByName(m.Name()) == nil {
				add("the call %s is gone", m.FullName())
			} else if n := is.Methods().ByName(m.Name()); callOf(m) != callOf(n) {
				add("the call %s was %s and is %s", m.FullName(), callOf(m), callOf(n))
			}
		}
	}
	for i := range old.Messages().Len() {
		was := old.Messages().Get(i)
		is := now.Messages().ByName(was.Name())
		if is == nil {
			add("the message %s is gone", was.Name())
			continue
		}
		for j := range was.Fields().Len() {
			f := was.Fields().Get(j)
			g := is.Fields().ByNumber(f.Number())
			switch {
			case g == nil:
				add("the field %s (%d) is gone", f.FullName(), f.Number())
			case fieldOf(f) != fieldOf(g):
				add("the field %s was %q and is %q", f.FullName(), fieldOf(f), fieldOf(g))
			}
		}
	}
	return out
}

func callOf(m protoreflect.MethodDescriptor) string {
	return fmt.Sprintf("%s(%t) %s(%t)", m.Input().FullName(), m.IsStreamingClient(), m.Output().FullName(), m.IsStreamingServer())
}

func fieldOf(f protoreflect.FieldDescriptor) string {
	kind := f.Kind().String()
	if f.Message() != nil {
		kind += " " + string(f.Message().FullName())
	}
	oneof := ""
	if o := f.ContainingOneof(); o != nil {
		oneof = " of " + string(o.Name())
	}
	return fmt.Sprintf("%s %s %s = %d%s", f.Cardinality(), kind, f.Name(), f.Number(), oneof)
}

// TestChangesAreFound breaks promises and looks whether that is noticed.
func TestChangesAreFound(t *testing.T) {
	old, err := frozen.Protocol("1.0")
	if err != nil {
		t.Fatal(err)
	}
	set := protodesc.ToFileDescriptorProto(old)
	tests := []struct{ find, replace, want string }{
		{"seq", "sequence", "autosafe.plugin.v1.Task.seq was"},
		{"Complete", "Finish", "the call autosafe.plugin.v1.Host.Complete is gone"},
		{"Artifact", "File", "the message Artifact is gone"},
	}
	for _, tt := range tests {
		p := proto.CloneOf(set)
		for _, m := range p.GetMessageType() {
			if m.GetName() == tt.find {
				m.Name = &tt.replace
			}
			for _, f := range m.GetField() {
				if f.GetName() == tt.find && m.GetName() == "Task" {
					f.Name, f.JsonName = &tt.replace, nil
				}
				if strings.HasSuffix(f.GetTypeName(), "."+tt.find) {
					name := strings.TrimSuffix(f.GetTypeName(), tt.find) + tt.replace
					f.TypeName = &name
				}
			}
		}
		for _, s := range p.GetService() {
			for _, m := range s.GetMethod() {
				if m.GetName() == tt.find {
					m.Name = &tt.replace
				}
			}
		}
		now, err := protodesc.NewFile(p, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(changes(old, now), "\n"); !strings.Contains(got, tt.want) {
			t.Errorf("%s became %s: %q", tt.find, tt.replace, got)
		}
	}
	if got := changes(old, old); len(got) > 0 {
		t.Errorf("nothing changed, and yet: %q", got)
	}
}
