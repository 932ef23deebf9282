package main

import "syscall"

// landlocked says whether the kernel has Landlock: landlock_create_ruleset,
// which has one number everywhere, then tells its version.
func landlocked() bool {
	const createRuleset, askVersion = 444, 1
	_, _, errno := syscall.Syscall(createRuleset, 0, 0, askVersion)
	return errno == 0
}
