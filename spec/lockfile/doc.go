// Package lockfile reads and writes autosafe.lock.hcl, which pins the plugins
// of a recipe: a version, and the SHA-256 of its binary for every platform.
// It also says where a plugin's binary lies below a folder of plugins, since
// those who install plugins and those who run them must agree on that.
//
// The file is written by autosafe alone and has one form for one content, so
// that a difference in it is always a difference in what is locked. It is not
// for reading other HCL: a file in another form is refused, with the line.
package lockfile
