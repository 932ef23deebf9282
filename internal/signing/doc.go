// Package signing signs statements about datasets and checks their signatures:
// DSSE envelopes (github.com/secure-systems-lab/dsse) over the exact bytes of an
// in-toto statement, by Ed25519 and ECDSA keys. Keys are PEM files, as openssl
// makes them, or minisign's, so that one key may sign an author's plugins and
// datasets alike.
//
// It knows nothing of what a statement says; package verify holds that to a
// folder. Keys of plugins' releases are the business of package install.
package signing
