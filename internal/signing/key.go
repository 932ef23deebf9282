package signing

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"aead.dev/minisign"
)

// PrivateKey signs.
type PrivateKey struct {
	PublicKey
	signer crypto.Signer
}

// PublicKey checks signatures.
type PublicKey struct {
	id  string
	key crypto.PublicKey // ed25519.PublicKey or *ecdsa.PublicKey
}

// ID names the key: the SHA-256 of its PKIX form, in hex. It is the same
// whichever file the key was read from.
func (k *PublicKey) ID() string { return k.id }

// maxKey bounds a file with a key.
const maxKey = 64 << 10

// ReadPrivateKey reads a private key: PEM, or minisign's. The password is for
// those of minisign that are encrypted.
func ReadPrivateKey(path, password string) (*PrivateKey, error) {
	src, err := readKey(path)
	if err != nil {
		return nil, err
	}
	defer clear(src)
	signer, err := parsePrivate(src, password)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	public, err := newPublicKey(signer.Public())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &PrivateKey{*public, signer}, nil
}

// ReadPublicKey reads a public key: the path of a PEM file or of minisign's, or
// the line itself that is a minisign key.
func ReadPublicKey(text string) (*PublicKey, error) {
	if key, ok := parseMinisignPublic([]byte(text)); ok {
		return newPublicKey(key)
	}
	src, err := readKey(text)
	if err != nil {
		return nil, err
	}
	key, err := parsePublic(src)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", text, err)
	}
	return newPublicKey(key)
}

// readKey reads a small file; nothing of it is ever in an error.
func readKey(path string) ([]byte, error) {
	info, err := os.Stat(path) // before it is opened: a pipe would have us wait
	if err != nil {
		return nil, fmt.Errorf("no key: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxKey {
		return nil, fmt.Errorf("%s is no key: it is not a regular file of at most 64 KiB", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("no key: %w", err)
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxKey))
}

func parsePrivate(src []byte, password string) (crypto.Signer, error) {
	block, _ := pem.Decode(src)
	if block == nil {
		return parseMinisignPrivate(src, password)
	}
	var key any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "PUBLIC KEY":
		return nil, errors.New("it is a public key; signing takes the private one")
	default:
		if strings.Contains(block.Type, "ENCRYPTED") {
			return nil, errors.New("it is an encrypted PEM key, which is not read: openssl pkey -in KEY -out PLAIN decrypts it; of minisign's keys encrypted ones are read")
		}
		return nil, fmt.Errorf("a PEM block %q is no key for signing: openssl genpkey -algorithm ed25519 makes one", block.Type)
	}
	if err != nil {
		return nil, errors.New("it is not a PEM private key that can be read") // the cause could quote it
	}
	switch key := key.(type) {
	case ed25519.PrivateKey:
		return key, nil
	case *ecdsa.PrivateKey:
		return key, nil
	}
	return nil, fmt.Errorf("a key of type %T is not used for signing; Ed25519 and ECDSA are", key)
}

// minisignPrivate is where in minisign's form of a private key the Ed25519 key
// stands, and how long that form is.
const minisignPrivate, minisignPrivateSize = 62, 158

func parseMinisignPrivate(src []byte, password string) (crypto.Signer, error) {
	const neither = "it is neither a PEM private key nor minisign's"
	var key minisign.PrivateKey
	var err error
	switch encrypted := minisign.IsEncrypted(src); {
	case encrypted && password == "":
		return nil, errors.New("it is encrypted: put its password into the environment variable AUTOSAFE_KEY_PASSWORD")
	case encrypted:
		if key, err = minisign.DecryptKey(password, src); err != nil {
			return nil, errors.New("its password, AUTOSAFE_KEY_PASSWORD, is not this, or the file is damaged")
		}
	case key.UnmarshalText(bytes.TrimSpace(src)) != nil:
		return nil, errors.New(neither)
	}
	text, err := key.MarshalText() // the plain form, which is how the library gives the key out
	if err != nil {
		return nil, errors.New(neither)
	}
	defer clear(text)
	raw, err := base64.StdEncoding.DecodeString(lastLine(string(text)))
	if err != nil || len(raw) != minisignPrivateSize {
		return nil, errors.New(neither)
	}
	defer clear(raw)
	pair := raw[minisignPrivate : minisignPrivate+ed25519.PrivateKeySize]
	signer := ed25519.NewKeyFromSeed(pair[:ed25519.SeedSize])
	if !bytes.Equal(signer, pair) {
		return nil, errors.New("its two halves do not belong together; the file is damaged")
	}
	return signer, nil
}

func parsePublic(src []byte) (crypto.PublicKey, error) {
	if key, ok := parseMinisignPublic(src); ok {
		return key, nil
	}
	block, _ := pem.Decode(src)
	switch {
	case block == nil:
		return nil, errors.New("it is neither a PEM public key nor minisign's")
	case strings.Contains(block.Type, "PRIVATE"):
		return nil, errors.New("it is a private key; checking takes the public one: openssl pkey -in KEY -pubout writes it")
	case block.Type != "PUBLIC KEY":
		return nil, fmt.Errorf("a PEM block %q is no public key", block.Type)
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, errors.New("it is not a PEM public key that can be read")
	}
	return key, nil
}

// minisignPublic is where in minisign's form of a public key the Ed25519 key
// stands.
const minisignPublic = 10

func parseMinisignPublic(src []byte) (ed25519.PublicKey, bool) {
	line := lastLine(string(src))
	var key minisign.PublicKey
	if key.UnmarshalText([]byte(line)) != nil {
		return nil, false
	}
	raw, err := base64.StdEncoding.DecodeString(line)
	if err != nil || len(raw) != minisignPublic+ed25519.PublicKeySize {
		return nil, false
	}
	return raw[minisignPublic:], true
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:])
}

func newPublicKey(key crypto.PublicKey) (*PublicKey, error) {
	switch key.(type) {
	case ed25519.PublicKey, *ecdsa.PublicKey:
	default:
		return nil, fmt.Errorf("a key of type %T is not used for signing; Ed25519 and ECDSA are", key)
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(der)
	return &PublicKey{hex.EncodeToString(sum[:]), key}, nil
}

// The methods below are what the DSSE library asks of keys.

// KeyID implements dsse.Signer and dsse.Verifier.
func (k *PublicKey) KeyID() (string, error) { return k.id, nil }

// Public implements dsse.Verifier.
func (k *PublicKey) Public() crypto.PublicKey { return k.key }

// Verify implements dsse.Verifier.
func (k *PublicKey) Verify(_ context.Context, data, sig []byte) error {
	ok := false
	switch key := k.key.(type) {
	case ed25519.PublicKey:
		ok = ed25519.Verify(key, data, sig)
	case *ecdsa.PublicKey:
		ok = ecdsa.VerifyASN1(key, digest(key, data), sig)
	}
	if !ok {
		return errors.New("the signature is not of this key over these bytes")
	}
	return nil
}

// Sign implements dsse.Signer. Equal bytes get equal signatures.
func (k *PrivateKey) Sign(_ context.Context, data []byte) ([]byte, error) {
	if key, ok := k.key.(*ecdsa.PublicKey); ok {
		// Without a source of randomness it signs as RFC 6979 says.
		return k.signer.Sign(nil, digest(key, data), hashOf(key))
	}
	return k.signer.Sign(nil, data, crypto.Hash(0))
}

// hashOf is the hash that goes with a curve.
func hashOf(key *ecdsa.PublicKey) crypto.Hash {
	switch size := key.Curve.Params().BitSize; {
	case size <= 256:
		return crypto.SHA256
	case size <= 384:
		return crypto.SHA384
	}
	return crypto.SHA512
}

func digest(key *ecdsa.PublicKey, data []byte) []byte {
	h := hashOf(key).New()
	h.Write(data)
	return h.Sum(nil)
}
