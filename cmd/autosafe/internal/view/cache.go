package view

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/autosafe/autosafe/internal/provenance"
)

// CacheKind are the records of one kind in a cache.
type CacheKind struct {
	Kind      string `json:"kind"`
	Records   int64  `json:"records"`
	Segments  int    `json:"segments"`
	Bytes     int64  `json:"bytes"`      // on disk
	DeadBytes int64  `json:"dead_bytes"` // of records that newer ones have replaced
}

// CacheLoss is a loss of records that was found and healed before.
type CacheLoss struct {
	Kind    string    `json:"kind"`
	Time    time.Time `json:"time"`
	Records int64     `json:"records"`
}

// CacheSizes are the sizes of a cache.
type CacheSizes struct {
	Path   string      `json:"path"`
	Kinds  []CacheKind `json:"kinds"`
	Losses []CacheLoss `json:"losses"` // the oldest first, by kind
}

// CachePath names the cache's folder.
func (v *View) CachePath(dir string) {
	if v.opts.JSON {
		v.lastLine(struct {
			Type string `json:"type"`
			Path string `json:"path"`
		}{"cache_path", dir})
		return
	}
	v.result(Clean(dir) + "\n")
}

// kindDocs says what the kinds are.
func kindDoc(kind string) string {
	switch kind {
	case "calls":
		return "answers of models"
	case "rows":
		return "what components made of rows"
	case "steps":
		return "which rows a step has"
	case "blobs":
		return "rows, and parts of keys"
	case "builds":
		return "records of builds, tags"
	case "files":
		return "digests of files that were read"
	case "describe":
		return "what plugins can do, checked recipes"
	case "batches":
		return "batches that are under way"
	}
	return ""
}

// CacheStats shows what a cache holds and what it saved.
func (v *View) CacheStats(sizes CacheSizes, usage *provenance.UsageReport) {
	if v.opts.JSON {
		v.lastLine(struct {
			Type string `json:"type"`
			CacheSizes
			Usage *provenance.UsageReport `json:"usage"`
		}{"cache_stats", sizes, usage})
		return
	}
	p := v.page()
	p.WriteString("Cache " + Clean(sizes.Path) + "\n\n")
	t := table{heads: []string{"Kind", "Records", "Size", "Replaced", ""}, spare: []string{"Replaced"}}
	var all CacheKind
	for _, k := range sizes.Kinds {
		if k.Records == 0 && k.Bytes == 0 {
			continue
		}
		all.Records += k.Records
		all.Bytes += k.Bytes
		all.DeadBytes += k.DeadBytes
		t.add(Clean(k.Kind), count(k.Records), bytesOf(k.Bytes), sizeOrNothing(k.DeadBytes), kindDoc(k.Kind))
	}
	t.add("all", count(all.Records), bytesOf(all.Bytes), sizeOrNothing(all.DeadBytes), "")
	t.render(&p.Builder, p.width)
	p.usage(usage)
	p.losses(sizes.Losses)
	v.result(p.String())
}

func sizeOrNothing(n int64) string {
	if n == 0 {
		return ""
	}
	return bytesOf(n)
}

// usage tells what the stored answers are worth, and what they saved.
func (p *page) usage(u *provenance.UsageReport) {
	if u == nil {
		return
	}
	if len(u.Models) > 0 {
		p.WriteString("\n")
		t := table{heads: []string{"Answers of", "Calls", "Tokens in", "Tokens out", "Worth", "Endpoint"}, spare: []string{"Endpoint"}}
		for _, m := range u.Models {
			worth := dollars(m.WorthUSD)
			if !m.Priced {
				worth = "no price"
			}
			if m.Endpoint == "offline" {
				worth = "free"
			}
			t.add(Clean(m.Model), count(m.Calls), count(m.InputTokens), count(m.OutputTokens), worth, Clean(m.Endpoint))
		}
		t.render(&p.Builder, p.width)
	}
	p.WriteString("\n")
	field := func(name, text string) { p.hanging("", fmt.Sprintf("%-*s", fieldWidth, name), text) }
	field("Builds", count(int64(u.Builds))+" recorded")
	paid := plural(u.Made, "call") + " made"
	if usd := dollars(u.PaidUSD); usd != "" {
		paid += " for " + usd
	}
	field("Paid", paid)
	saved := plural(u.Reused, "call") + " used again"
	if usd := dollars(u.SavedUSD); usd != "" {
		saved += ", worth " + usd
	}
	if total := u.Made + u.Reused; total > 0 {
		saved += fmt.Sprintf(" (%s of all)", share(float64(u.Reused)/float64(total)))
	}
	field("Saved", saved)
	if u.Unread > 0 {
		field("Unreadable", plural(u.Unread, "record")+": autosafe cache verify says more")
	}
}

// CacheDamage is one place in a cache that is not as it was written.
type CacheDamage struct {
	Kind     string `json:"kind"`
	File     string `json:"file"`
	Offset   int64  `json:"offset"`
	Length   int64  `json:"length"`
	What     string `json:"what"`
	Means    string `json:"means"`
	Lost     int64  `json:"lost"` // records, as far as can be told
	Harmless bool   `json:"harmless"`
	Repaired bool   `json:"repaired"`
}

// CacheScrub is what a scrub of a cache found.
type CacheScrub struct {
	Records int64         `json:"records"`
	Bytes   int64         `json:"bytes"`
	Damage  []CacheDamage `json:"damage"`
	Losses  []CacheLoss   `json:"losses"` // found and healed before
}

// tally is how many places are damaged still, in how many of all something was
// lost, and how many records that were; where that cannot be told, no more is.
func (s *CacheScrub) tally() (left, lost int, records string) {
	sum, least := int64(0), ""
	for _, d := range s.Damage {
		if !d.Repaired {
			left++
		}
		if d.Harmless {
			continue
		}
		lost++
		sum += d.Lost
		if d.Lost == 0 {
			least = " at least"
		}
	}
	if sum > 0 {
		records = ":" + least + " " + plural(sum, "record")
	}
	return left, lost, records
}

// damageShown bounds how many places of damage are listed for people.
const damageShown = 50

// CacheVerified shows what a scrub found.
func (v *View) CacheVerified(s CacheScrub) {
	left, lost, records := s.tally()
	if v.opts.JSON {
		v.lastLine(struct {
			Type string `json:"type"`
			OK   bool   `json:"ok"`
			CacheScrub
		}{"cache_verify", left == 0, s})
		return
	}
	p := v.page()
	read := plural(s.Records, "record") + ", " + bytesOf(s.Bytes) + " read"
	if len(s.Damage) == 0 {
		p.WriteString("No damage: " + read + ".\n")
		p.losses(s.Losses)
		v.result(p.String())
		return
	}
	for i, d := range s.Damage {
		if i == damageShown {
			p.WriteString("… and " + plural(int64(len(s.Damage)-i), "more place") + "; -json lists all\n\n")
			break
		}
		about := fmt.Sprintf("%s at byte %s", bytesOf(d.Length), count(d.Offset))
		if d.Repaired {
			about += ", repaired"
		}
		p.head(Clean(nearPath(d.File)), about)
		p.text(4, capitalClean(d.What)+".")
		p.text(4, capitalClean(d.Means)+".")
		p.WriteString("\n")
	}
	p.text(0, fmt.Sprintf("Damage in %s; something is lost in %s%s. %s.", plural(int64(len(s.Damage)), "place"), lostWords(lost), records, capitalClean(read)))
	p.text(0, "Nothing damaged is ever used: the next build makes again what it needs of it.")
	if left > 0 && left < len(s.Damage) {
		p.text(0, count(int64(left))+" could not be repaired: another process may be writing there.")
	} else if left > 0 {
		p.text(0, "autosafe cache verify -repair takes the damage out.")
	}
	p.losses(s.Losses)
	v.result(p.String())
}

// lossesShown bounds how many earlier losses are told to people.
const lossesShown = 5

// losses tells of the latest losses that were healed.
func (p *page) losses(all []CacheLoss) {
	if len(all) == 0 {
		return
	}
	latest := slices.SortedStableFunc(slices.Values(all), func(a, b CacheLoss) int { return b.Time.Compare(a.Time) })
	p.WriteString("\n")
	for i, l := range latest {
		if i == lossesShown {
			p.text(0, "… and "+plural(int64(len(latest)-i), "earlier time")+"; -json lists all.")
			break
		}
		p.text(0, fmt.Sprintf("Lost earlier, as of %s: %s of %s (%s).", l.Time.Local().Format(time.DateOnly), plural(l.Records, "record"), Clean(l.Kind), kindDoc(l.Kind)))
	}
	p.text(0, "What can be made again is, when it is needed; autosafe cache import takes records from a bundle.")
}

func lostWords(n int) string {
	if n == 0 {
		return "none of them"
	}
	return count(int64(n)) + " of them"
}

// capitalClean is cleaned text that starts with a capital letter.
func capitalClean(s string) string {
	s = Clean(s)
	if s != "" && 'a' <= s[0] && s[0] <= 'z' {
		return strings.ToUpper(s[:1]) + s[1:]
	}
	return s
}

// CacheCollected is what a collection removes of a kind.
type CacheCollected struct {
	Kind     string `json:"kind"`
	Removed  int64  `json:"removed"`  // records
	Replaced int64  `json:"replaced"` // records that newer ones have replaced, removed too
	Kept     int64  `json:"kept"`
	Freed    int64  `json:"freed_bytes"`
}

// CacheCollection is what a collection removes.
type CacheCollection struct {
	DryRun     bool             `json:"dry_run"`
	Builds     int              `json:"builds"`
	BuildsKept int              `json:"builds_kept"`
	CallsAsked bool             `json:"calls_asked"` // answers of models were to go too
	Kinds      []CacheCollected `json:"kinds"`
}

// CacheCollected shows what a collection removed, or would.
func (v *View) CacheCollected(c CacheCollection) {
	if v.opts.JSON {
		v.lastLine(struct {
			Type string `json:"type"`
			CacheCollection
		}{"cache_gc", c})
		return
	}
	p := v.page()
	t := table{heads: []string{"Kind", "Removed", "Replaced", "Kept", "Freed", ""}}
	var all CacheCollected
	for _, k := range c.Kinds {
		all.Removed += k.Removed
		all.Replaced += k.Replaced
		all.Kept += k.Kept
		all.Freed += k.Freed
		t.add(Clean(k.Kind), count(k.Removed), number(k.Replaced), count(k.Kept), bytesOf(max(0, k.Freed)), kindDoc(k.Kind))
	}
	t.add("all", count(all.Removed), number(all.Replaced), count(all.Kept), bytesOf(max(0, all.Freed)), "")
	t.render(&p.Builder, p.width)
	p.WriteString("\n")
	p.text(0, fmt.Sprintf("Kept is what %d of %s rest on, and what is young.", c.BuildsKept, plural(int64(c.Builds), "recorded build")))
	if !c.CallsAsked {
		p.text(0, "Answers of models are kept; -calls lets those go that no kept build rests on.")
	}
	if c.DryRun {
		p.text(0, "Nothing was removed (-dry-run).")
	}
	v.result(p.String())
}

// CacheExported says what a bundle holds.
func (v *View) CacheExported(file string, builds int, records, size int64) {
	if v.opts.JSON {
		v.lastLine(struct {
			Type    string `json:"type"`
			File    string `json:"file"`
			Builds  int    `json:"builds"`
			Records int64  `json:"records"`
			Bytes   int64  `json:"bytes"`
		}{"cache_export", file, builds, records, size})
		return
	}
	v.result(fmt.Sprintf("%s: %s, %s, %s\n", Clean(file), plural(int64(builds), "build"), plural(records, "record"), bytesOf(size)))
}

// CacheImported says what a bundle brought.
func (v *View) CacheImported(file string, added, known int64) {
	if v.opts.JSON {
		v.lastLine(struct {
			Type  string `json:"type"`
			File  string `json:"file"`
			Added int64  `json:"added"`
			Known int64  `json:"known"`
		}{"cache_import", file, added, known})
		return
	}
	v.result(fmt.Sprintf("%s: %s taken in, %s were there already\n", Clean(file), plural(added, "record"), count(known)))
}
