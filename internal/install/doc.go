// Package install gets plugins: it finds out which version a recipe takes,
// fetches that version's release from where the user's configuration says,
// verifies it, puts the binary where builds look for it, and says what the lock
// file must hold. It makes mirrors of releases too.
//
// A release is a handful of files, wherever it comes from: packages for
// platforms, SHA256SUMS over them, and perhaps a minisign signature of that
// list (release.go). The places differ in how versions are listed and files are
// named (origin.go, releases.go, oci.go). What a place says is believed only as
// far as the signing key or the lock file bear it out.
//
// It starts nothing, and knows neither rows nor processes.
package install
