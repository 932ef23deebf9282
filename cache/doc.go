// Package cache is a packed store on disk: blobs under their digest, and
// records of a few kinds under keys of the caller's. It knows nothing of
// recipes, rows or models, runs no daemon, removes nothing unless Collect is
// called, and is no general database: there is no delete, and Each, which goes
// through all records of a kind, is for kinds with few of them.
//
// # Promises
//
//   - What Get or Blob returns is what was put. Damage of any kind is a miss,
//     told to Options.Damaged, and healed by the next put.
//   - PutDurable has survived a crash of process or machine when it returns;
//     Put has after Sync or Close.
//   - Any number of processes may use a folder at once. They see each other's
//     records once these are durable: new keys at once, newer values of known
//     keys after Refresh.
//   - Claim lets one of them make what several want. It is a courtesy: nothing
//     rests on it but work saved.
//   - Collect and Import may be killed at any moment. Nothing is lost, and what
//     they leave behind the next Collect removes.
//
// # Format on disk
//
//	README, CACHEDIR.TAG
//	v1/<kind>/<16 hex digits>.seg   records, only ever appended to
//	v1/<kind>/<16 hex digits>.idx   where they stand; can be made again
//	v1/<kind>/losses                what was lost; a line each time
//	v1/claims.<digit>               empty; their bytes are locked, one a key
//	v1/collect                      zeros; locked by who collects
//
// A segment is a header of 32 bytes (segment.go) and records (record.go). A
// record holds its length, key, a number that tells which of two is later,
// and two checks: one of the header, which binds the record to its place, and
// one of the value. If a header is damaged, reading goes on at the next
// header whose check is right. Values are compressed with zstd where that
// saves a sixteenth or more. The number is the time of the put in nanoseconds,
// or more where a key has a later one already.
//
// Who appends to a segment holds its lock (flock) from the first put to
// Close. A process takes any segment that has room and is free before it
// makes a new one, so that their number follows the amount of data, not the
// number of builds. Readers take no lock. A torn end, left by a crash, is
// ignored by readers and cut by the next writer.
//
// A sidecar lists only what is on disk. If it lists more than its segment
// holds, or has none, records are lost: whoever heals that tells how many, and
// notes it in the file losses (loss.go).
//
// An index is loaded when its kind is first used, from the sidecars
// (sidecar.go), and holds 28 bytes and some free slots per record (index.go).
// On a miss the folder and the segments that can grow are looked at again.
//
// A bundle (bundle.go) is a file of records in the same form, each bound to
// its offset, with a digest of all of it at the end.
//
// # Collection
//
// A segment that holds something to be dropped is copied without that, under
// its lock, into a new one that nobody sees; records keep their numbers. Then,
// in this order and each step durable before the next:
//
//  1. the new segment's sidecar and then the segment get their names;
//  2. v1/collect grows by a byte;
//  3. the old segments are removed, each after its sidecar.
//
// Between 1 and 3 a record stands twice, which harms nothing. Segments that
// somebody writes to are left alone. A writer that has locked a segment looks
// whether it is still in the folder.
//
// Who has an old segment open reads on in it. Who finds one gone lists the
// folder again, where the new one is by then. Listing a folder is not one step
// and might show neither; so it is done again if v1/collect grew meanwhile.
// Who has indexed both, and kept the places in the old one, loads its index
// anew.
//
// A record that is not wanted may hide an older one of its key in another
// segment, which must not show again. So segments are gone through and removed
// from the oldest on, and a record that still hides another stays until the
// next pass, or the next collection if that segment is being written to. What
// makes an old record superfluous is synced before that goes, whoever wrote
// it.
//
// What a build has just put is not yet referred to. CollectOptions.Before
// protects it, and as a put that is spared counts as one, a put is spared only
// if the record is less than an hour old.
package cache
