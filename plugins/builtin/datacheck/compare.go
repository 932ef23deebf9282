package datacheck

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/autosafe/autosafe/plugins/builtin/export"
)

// maxCompared bounds the rows that are remembered, for comparison with those
// that follow, and with it the memory: about 100 MiB.
const maxCompared = 1 << 21

// comparison is what is known of the rows before.
type comparison struct {
	rows       map[uint64]struct{}
	prompts    map[uint64]uint8 // the splits that have it, a bit each
	splits     []string
	duplicates int
	full       bool
}

func newComparison() *comparison {
	return &comparison{rows: map[uint64]struct{}{}, prompts: map[uint64]uint8{}}
}

func digest(text []byte) uint64 {
	sum := sha256.Sum256(text)
	return binary.BigEndian.Uint64(sum[:8])
}

// duplicate counts a row that was there before.
func (c *comparison) duplicate(row uint64) {
	if _, twice := c.rows[row]; twice {
		c.duplicates++
		return
	}
	if len(c.rows) == maxCompared {
		c.full = true
		return
	}
	c.rows[row] = struct{}{}
}

// leak says whether another split has the prompt, where one of the two is
// held out.
func (c *comparison) leak(prompt [32]byte, split string) (other string, found bool) {
	at := slices.Index(c.splits, split)
	if at < 0 {
		if len(c.splits) == 8 { // more have no bit
			return "", false
		}
		at = len(c.splits)
		c.splits = append(c.splits, split)
	}
	key := binary.BigEndian.Uint64(prompt[:8])
	have, known := c.prompts[key]
	if !known && len(c.prompts) == maxCompared {
		c.full = true
		return "", false
	}
	c.prompts[key] = have | 1<<at
	for i, name := range c.splits {
		if i != at && have&(1<<i) != 0 && (export.HeldOut(name) || export.HeldOut(split)) {
			return name, true
		}
	}
	return "", false
}
