//go:build version2

package main

const mark = "two: "
