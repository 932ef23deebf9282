package pluginhost

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/autosafe/autosafe/plugins/sdk/pluginpb"
	"github.com/autosafe/autosafe/spec"
)

// What a plugin says in an error of gRPC, or before it stands, is as free of
// what it was granted of the environment as all else that it says.
func TestCallErrorsHoldNoSecret(t *testing.T) {
	const name, secret = "ACME_TOKEN", "tok-5e1f9c"
	h := newHost(t, func(o *Options) { o.Environ = append(o.Environ, name+"="+secret) })
	p := newProcess(h, spec.PluginRef{Name: "acme", Path: "/nowhere/acme", Grant: &spec.Grant{Env: []string{name}}}, needs{})
	for _, err := range []error{
		p.callError(status.Error(codes.Internal, "the server refused "+secret)),
		p.callError(status.Error(codes.Unimplemented, "not with "+secret)),
		p.callError(status.Error(codes.ResourceExhausted, "no more for "+secret)),
		p.startError(errors.New("unrecognized remote plugin message: " + secret)),
	} {
		if text := err.Error(); strings.Contains(text, secret) || !strings.Contains(text, name) {
			t.Errorf("%s", text)
		}
	}
}

// Nor does a secret that stands where a text is cut off leave a part behind.
func TestCutErrorsHoldNoSecret(t *testing.T) {
	const name, secret = "ACME_TOKEN", "tok-5e1f9c"
	h := newHost(t, func(o *Options) { o.Environ = append(o.Environ, name+"="+secret) })
	p := newProcess(h, spec.PluginRef{Name: "acme", Path: "/nowhere/acme", Grant: &spec.Grant{Env: []string{name}}}, needs{})
	text := strings.Repeat("x", maxDetail-5) + secret
	e := (&run{process: p}).rowError(&pluginpb.RowError{Code: "c", Summary: "s", Detail: text})
	d := p.diagnostic(&pluginpb.Diagnostic{Summary: "s", Detail: text})
	for _, detail := range []string{e.Detail, d.Detail} {
		if strings.Contains(detail, secret[:4]) {
			t.Errorf("...%s", detail[maxDetail-10:])
		}
	}
}
