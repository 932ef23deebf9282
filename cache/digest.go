package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Digest is a SHA-256: the address of a blob, or the key of a record.
type Digest [sha256.Size]byte

// Sum is the digest of b.
func Sum(b []byte) Digest { return sha256.Sum256(b) }

// String is d in 64 lowercase hexadecimal digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// ParseDigest reads what String wrote. Capital digits are refused, so that
// one digest has one spelling.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	if len(s) != hex.EncodedLen(len(d)) {
		return Digest{}, fmt.Errorf("digest has %d characters, want %d hexadecimal digits", len(s), hex.EncodedLen(len(d)))
	}
	if _, err := hex.Decode(d[:], []byte(s)); err != nil || d.String() != s {
		return Digest{}, fmt.Errorf("digest %q is not lowercase hexadecimal", s)
	}
	return d, nil
}

// Kind says what a record is about. Each kind has a folder and an index of
// its own, so that reading one kind costs nothing for the others. The numbers
// are part of the format on disk.
type Kind uint8

// The kinds of record.
const (
	Steps    Kind = iota + 1 // step key: the step's outcome
	Rows                     // row key: the row's outcome
	Calls                    // call key: a model's answer
	Files                    // absolute path: the memo of FileDigest
	Describe                 // plugin binary: what the plugin said of itself
	Builds                   // records of builds, and what names them
	Batches                  // batches of calls that were sent and are not answered yet

	// Blobs names the blobs where kinds are chosen, as in Collect and Export.
	// They are stored like records, under their digest, but put and read with
	// PutBlob and Blob alone.
	Blobs Kind = 0
)

// String is the name of the kind and of its folder.
func (k Kind) String() string {
	switch k {
	case Blobs:
		return "blobs"
	case Steps:
		return "steps"
	case Rows:
		return "rows"
	case Calls:
		return "calls"
	case Files:
		return "files"
	case Describe:
		return "describe"
	case Builds:
		return "builds"
	case Batches:
		return "batches"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// kinds are all kinds, in the order of reports.
func kinds() []Kind { return []Kind{Steps, Rows, Calls, Blobs, Files, Describe, Builds, Batches} }

// local says whether records of the kind are of this machine: what was found
// out about its files and its plugins, and what is under way from here, must
// not come from elsewhere.
func (k Kind) local() bool { return k == Files || k == Describe || k == Batches }

// lost says that n records of the kind are gone, and what that costs.
func (k Kind) lost(n int64) string {
	switch {
	case n == 0:
		return "nothing is lost: it was withdrawn, or there are newer records"
	case n == 1:
		return "1 record is lost: " + k.lostMeans()
	}
	means := "what they belong to will be made again if it is needed"
	switch k {
	case Steps:
		means = "the steps will be looked through again, row by row"
	case Rows:
		means = "the rows will be run again, over calls that are still stored"
	case Calls:
		means = "the calls will be made, and paid for, again if they are needed"
	case Files:
		means = "the files will be hashed again"
	case Describe:
		means = "the plugins will be asked again to describe themselves"
	case Builds:
		means = "builds, or names for them, are forgotten"
	case Batches:
		means = "batches that are under way may be sent, and paid for, again"
	}
	return fmt.Sprintf("%d records are lost: %s", n, means)
}

// lostMeans says what it costs that a record of the kind is gone.
func (k Kind) lostMeans() string {
	switch k {
	case Steps:
		return "the step will be looked through again, row by row"
	case Rows:
		return "the row will be run again, over calls that are still stored"
	case Calls:
		return "the call will be made, and paid for, again if it is needed"
	case Files:
		return "the file will be hashed again"
	case Describe:
		return "the plugin will be asked again to describe itself"
	case Builds:
		return "a build, or a name for one, is forgotten"
	case Batches:
		return "a batch that is under way may be sent, and paid for, again"
	}
	return "what it belongs to will be made again if it is needed"
}
