// Package publish makes what stands beside a dataset: the card (README.md) with
// its plots, croissant.json, the lineage of its rows, the checksums and the
// provenance statement.
//
// All of it is made from the recipe and from what the cache remembers: nothing
// here is counted as a build goes, so a build that does nothing would write the
// same bytes. No clock, path of a machine or secret is in any of it. The engine
// decides when it is written, and where (engine.Documents).
package publish
