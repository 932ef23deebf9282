package signing

import (
	"bytes"
	"crypto/ed25519"
	"testing"
)

// FuzzCheck reads envelopes and keys that anybody may have written. Only the one
// that was signed passes.
func FuzzCheck(f *testing.F) {
	key, pub, err := fuzzKey()
	if err != nil {
		f.Fatal(err)
	}
	good, err := Sign(statement, nil, key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, []byte("RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"))
	f.Add([]byte(`{"payloadType":"application/vnd.in-toto+json","payload":"","signatures":[{}]}`), []byte("-----BEGIN PRIVATE KEY-----"))
	f.Fuzz(func(t *testing.T, envelope, text []byte) {
		if _, err := Check(envelope, statement, []*PublicKey{pub}); err == nil && !bytes.Equal(envelope, good) {
			t.Errorf("%q passes", envelope)
		}
		_, _ = parsePrivate(text, "")
		_, _ = parsePublic(text)
	})
}

// fuzzKey is a key that is the same each time.
func fuzzKey() (*PrivateKey, *PublicKey, error) {
	signer := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	pub, err := newPublicKey(signer.Public())
	if err != nil {
		return nil, nil, err
	}
	return &PrivateKey{*pub, signer}, pub, nil
}
