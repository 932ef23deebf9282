package signing

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"aead.dev/minisign"
)

var statement = []byte("{\n  \"_type\": \"https://in-toto.io/Statement/v1\"\n}\n")

func save(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// pems writes a key as openssl does.
func pems(t *testing.T, key crypto.Signer) (private, public string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return save(t, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		save(t, "pub.pem", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pub}))
}

func edKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func ecKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func read(t *testing.T, files func() (private, public string)) (*PrivateKey, *PublicKey) {
	t.Helper()
	private, public := files()
	key, err := ReadPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	pub, err := ReadPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return key, pub
}

// TestKeys signs with every kind of key and checks with its public half.
func TestKeys(t *testing.T) {
	sec1, err := x509.MarshalECPrivateKey(ecKey(t, elliptic.P384()))
	if err != nil {
		t.Fatal(err)
	}
	minipub, minikey, err := minisign.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	minitext, _ := minikey.MarshalText()
	minipubtext, _ := minipub.MarshalText()
	tests := map[string]func() (private, public string){
		"Ed25519": func() (string, string) { return pems(t, edKey(t)) },
		"P-256":   func() (string, string) { return pems(t, ecKey(t, elliptic.P256())) },
		"P-521":   func() (string, string) { return pems(t, ecKey(t, elliptic.P521())) },
		"P-384 in its own form": func() (string, string) {
			key, _ := x509.ParseECPrivateKey(sec1)
			_, public := pems(t, key)
			return save(t, "ec.pem", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})), public
		},
		"minisign":           func() (string, string) { return save(t, "m.key", minitext), save(t, "m.pub", minipubtext) },
		"minisign as a line": func() (string, string) { return save(t, "m.key", minitext), minipub.String() },
	}
	other, _ := read(t, func() (string, string) { return pems(t, edKey(t)) })
	for name, files := range tests {
		t.Run(name, func(t *testing.T) {
			key, pub := read(t, files)
			if key.ID() != pub.ID() || len(key.ID()) != 64 {
				t.Errorf("ids %q and %q", key.ID(), pub.ID())
			}
			envelope, err := Sign(statement, nil, key)
			if err != nil {
				t.Fatal(err)
			}
			list, err := Check(envelope, statement, []*PublicKey{pub})
			if err != nil || len(list) != 1 || !list[0].Valid || list[0].KeyID != key.ID() {
				t.Errorf("%+v, %v", list, err)
			}
			if again, err := Sign(statement, nil, key); err != nil || !bytes.Equal(again, envelope) {
				t.Errorf("signing twice gives other bytes: %v", err)
			}
			if _, err := Check(envelope, statement, []*PublicKey{&other.PublicKey}); err == nil || !strings.Contains(err.Error(), "and not by") {
				t.Errorf("with another key: %v", err)
			}
			if _, err := Check(envelope, append(statement, ' '), []*PublicKey{pub}); err == nil || !strings.Contains(err.Error(), "another statement") {
				t.Errorf("of another statement: %v", err)
			}
		})
	}
}

// TestEnvelope reads an envelope as the specification of DSSE says, with
// nothing of this package or of the library.
func TestEnvelope(t *testing.T) {
	raw := edKey(t)
	private, _ := pems(t, raw)
	key, err := ReadPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	text, err := Sign(statement, nil, key)
	if err != nil {
		t.Fatal(err)
	}
	var e struct {
		PayloadType, Payload string
		Signatures           []struct{ Keyid, Sig string }
	}
	if err := json.Unmarshal(text, &e); err != nil {
		t.Fatal(err)
	}
	payload, err := base64.StdEncoding.DecodeString(e.Payload)
	sig, sigErr := base64.StdEncoding.DecodeString(e.Signatures[0].Sig)
	if err != nil || sigErr != nil || !bytes.Equal(payload, statement) || e.PayloadType != "application/vnd.in-toto+json" {
		t.Errorf("payload %q of type %q", payload, e.PayloadType)
	}
	signed := fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(e.PayloadType), e.PayloadType, len(payload), payload)
	if !ed25519.Verify(raw.Public().(ed25519.PublicKey), signed, sig) {
		t.Error("the signature is not over what the specification says")
	}
}

// TestEveryByte changes each byte of an envelope.
func TestEveryByte(t *testing.T) {
	key, pub := read(t, func() (string, string) { return pems(t, edKey(t)) })
	envelope, err := Sign(statement, nil, key)
	if err != nil {
		t.Fatal(err)
	}
	for i := range envelope {
		for _, change := range []byte{1, 0x20, 0x80} {
			bad := bytes.Clone(envelope)
			bad[i] ^= change
			if _, err := Check(bad, statement, []*PublicKey{pub}); err == nil {
				t.Errorf("byte %d, %q, was changed to %q unseen", i, envelope[i], bad[i])
			}
		}
	}
	for _, bad := range []string{"", "{}", "[]", "null", string(envelope) + "x", string(envelope[:len(envelope)-1]), `{"payloadType":"application/vnd.in-toto+json","payload":"","signatures":[]}` + "\n"} {
		if _, err := Check([]byte(bad), statement, nil); err == nil {
			t.Errorf("%q passes for an envelope", bad)
		}
	}
}

// TestSeveral has two people sign, one of them twice.
func TestSeveral(t *testing.T) {
	a, pubA := read(t, func() (string, string) { return pems(t, edKey(t)) })
	b, pubB := read(t, func() (string, string) { return pems(t, ecKey(t, elliptic.P256())) })
	var envelope []byte
	var err error
	for _, key := range []*PrivateKey{a, b, a} {
		if envelope, err = Sign(statement, envelope, key); err != nil {
			t.Fatal(err)
		}
	}
	for _, keys := range [][]*PublicKey{{pubA}, {pubB}, {pubA, pubB}} {
		list, err := Check(envelope, statement, keys)
		valid := 0
		for _, s := range list {
			if s.Valid {
				valid++
			}
		}
		if err != nil || len(list) != 2 || valid != len(keys) {
			t.Errorf("with %d keys: %+v, %v", len(keys), list, err)
		}
	}
	later, err := Sign([]byte("{}"), envelope, b)
	if err != nil {
		t.Fatal(err)
	}
	if list, err := Check(later, []byte("{}"), []*PublicKey{pubB}); err != nil || len(list) != 1 {
		t.Errorf("a signature of what stood there before is kept: %+v, %v", list, err)
	}
}

// TestBadKeys reads files that are no keys for signing. None of what they hold
// is in an error.
func TestBadKeys(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rsaPrivate, rsaPublic := pems(t, rsaKey)
	private, public := pems(t, edKey(t))
	_, minikey, err := minisign.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := minikey.MarshalText()
	lines := strings.SplitN(string(text), "\n", 2)
	raw, _ := base64.StdEncoding.DecodeString(strings.TrimSpace(lines[1]))
	raw[100] ^= 1
	torn := save(t, "torn.key", []byte(lines[0]+"\n"+base64.StdEncoding.EncodeToString(raw)+"\n"))
	raw[2], raw[3] = 0x53, 0x63 // as if it were encrypted
	locked := save(t, "locked.key", []byte(lines[0]+"\n"+base64.StdEncoding.EncodeToString(raw)+"\n"))
	block := func(kind string) string {
		return save(t, "x.pem", pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: []byte("SECRETSECRET")}))
	}
	for path, want := range map[string]string{
		"":                                   "no key",
		t.TempDir():                          "is not a regular file",
		public:                               "it is a public key",
		rsaPrivate:                           "Ed25519 and ECDSA are",
		block("PRIVATE KEY"):                 "not a PEM private key that can be read",
		block("ENCRYPTED PRIVATE KEY"):       "it is an encrypted PEM key",
		block("CERTIFICATE"):                 "is no key for signing",
		save(t, "x", []byte("SECRETSECRET")): "neither a PEM private key nor minisign's",
		save(t, "y", make([]byte, 65<<10)):   "at most 64 KiB",
		torn:                                 "do not belong together",
		locked:                               "AUTOSAFE_KEY_PASSWORD",
	} {
		_, err := ReadPrivateKey(path, "")
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("private %s: %v, want %q", path, err, want)
		}
	}
	for path, want := range map[string]string{
		"":                   "no key",
		private:              "it is a private key",
		rsaPublic:            "Ed25519 and ECDSA are",
		block("PUBLIC KEY"):  "that can be read",
		block("CERTIFICATE"): "is no public key",
		save(t, "x", nil):    "neither a PEM public key nor minisign's",
		"RWQmangled":         "no key",
	} {
		if _, err := ReadPublicKey(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("public %s: %v, want %q", path, err, want)
		}
	}
}
