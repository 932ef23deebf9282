// Package verify holds a published dataset to what it says of itself: its
// checksums, its provenance statement, the signature of that, and the recipe,
// the lock file and the cached answers that the statement names (Run). It says
// which file or record is not as it should be.
//
// Nothing that stands in a folder is believed: names lead to no other place,
// links are not followed, and what is read into memory is bounded. It runs
// nothing; building the dataset again is for whoever calls it, with Compare.
package verify
