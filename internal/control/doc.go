// Package control is how a running build is watched and steered by the person
// who started it: a server in the build's process, on a Unix socket that only
// this person can open, and the client of autosafe ctl.
//
// The server is started at the first model call, not before: a build with
// nothing to do pays nothing for it. It is a courtesy. A build in whose place
// no socket can be made goes on without.
//
// # The socket
//
// It is PID.sock in a folder with mode 0700, $XDG_RUNTIME_DIR/autosafe or else
// autosafe-UID in the folder for temporary files; it is removed when the build
// ends. Sockets of processes that died are removed by the next build.
//
// # The protocol
//
// HTTP, with JSON bodies; the host's name is of no matter:
//
//	GET  /v1/status                              a Status
//	POST /v1/pause                               begin no further call
//	POST /v1/resume                              go on
//	POST /v1/limit  {"model":"judge","limit":8}  at most 8 calls at a time; 0: as the recipe says
//	POST /v1/stop   {"now":false}                as the first Ctrl-C, or with now the second
//
// Every POST answers with the Status after it. A request that cannot be met
// gets a status of 400 and above and {"error":"…"}. Fields may be added. With
// curl: curl --unix-socket PATH http://build/v1/status
package control
