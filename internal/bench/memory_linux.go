package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// memoryKnown says that watchMemory can tell.
const memoryKnown = true

// watchEvery is how often memory is looked at.
const watchEvery = 50 * time.Millisecond

// watchMemory samples the memory of a process and all that come from it: the
// sum of their proportional set sizes, in which a page that several share
// counts once. The function it returns ends that and gives the largest sum.
func watchMemory(root int) func() int64 {
	done, peak := make(chan struct{}), make(chan int64)
	most := treeMemory(root) // now, however soon it ends
	go func() {
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				most = max(most, treeMemory(root))
			case <-done:
				peak <- most
				return
			}
		}
	}()
	return func() int64 { close(done); return <-peak }
}

func treeMemory(root int) int64 {
	children := map[int][]int{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if parent, ok := parentOf(pid); ok {
			children[parent] = append(children[parent], pid)
		}
	}
	var sum int64
	tree := []int{root}
	for len(tree) > 0 {
		pid := tree[0]
		tree = append(tree[1:], children[pid]...)
		sum += proportional(pid)
	}
	return sum
}

// parentOf reads a process's parent. The name before it may hold anything, but
// ends at the last bracket.
func parentOf(pid int) (int, bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false // it has ended
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 2 {
		return 0, false
	}
	parent, err := strconv.Atoi(fields[1])
	return parent, err == nil
}

func proportional(pid int) int64 {
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "Pss:"); ok {
			kib, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), "kB")), 10, 64)
			return kib << 10
		}
	}
	return 0
}
