// Package cache is a packed store on disk: blobs under their digest, and
// records of a few kinds under keys of the caller's. It knows nothing of
// recipes, rows or models, runs no daemon, never removes anything by itself,
// and is no general database: there is no delete and no iteration.
//
// # Promises
//
//   - What Get or Blob returns is what was put. Damage of any kind is a miss,
//     told to Options.Damaged, and healed by the next put.
//   - PutDurable has survived a crash of process or machine when it returns;
//     Put has after Sync or Close.
//   - Any number of processes may use a folder at once. They see each other's
//     records once these are durable.
//
// # Format on disk
//
//	README, CACHEDIR.TAG
//	v1/<kind>/<16 hex digits>.seg   records, only ever appended to
//	v1/<kind>/<16 hex digits>.idx   where they stand; can be made again
//
// A segment is a header of 32 bytes (segment.go) and records (record.go). A
// record holds its length, key, a number that tells which of two is later,
// and two checks: one of the header, which binds the record to its place, and
// one of the value. If a header is damaged, reading goes on at the next
// header whose check is right. Values are compressed with zstd where that
// saves a sixteenth or more.
//
// Who appends to a segment holds its lock (flock) from the first put to
// Close. A process takes any segment that has room and is free before it
// makes a new one, so that their number follows the amount of data, not the
// number of builds. Readers take no lock. A torn end, left by a crash, is
// ignored by readers and cut by the next writer.
//
// An index is loaded when its kind is first used, from the sidecars
// (sidecar.go), and holds 28 bytes and some free slots per record (index.go).
// On a miss the folder and the segments that can grow are looked at again.
package cache
