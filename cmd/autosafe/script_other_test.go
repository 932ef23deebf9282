//go:build !linux

package main

func landlocked() bool { return false }
