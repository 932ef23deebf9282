package view

import (
	"fmt"
	"math"
	"strings"

	"github.com/autosafe/autosafe/internal/engine"
)

// between writes a range: a number that is known as it is, one that is
// estimated behind a ~, and two ends with a dash. A number that may be any has
// a + behind what it is at least, or is a question mark.
func between(r engine.Range, format func(float64) string) string {
	switch {
	case !r.Bounded() && r.Low <= 0:
		return "?"
	case !r.Bounded():
		return format(r.Low) + "+"
	}
	low, high := format(r.Low), format(r.High)
	switch {
	case r.Exact:
		return low
	case low == high:
		return "~" + low
	}
	// Ends that begin alike, such as $, say so once.
	if strings.HasPrefix(low, "$") {
		high = strings.TrimPrefix(high, "$")
	}
	// A unit that both have stands at the end.
	if at := strings.LastIndexByte(low, ' '); at > 0 && strings.HasSuffix(high, low[at:]) && strings.Count(low, " ") == 1 && strings.Count(high, " ") == 1 {
		low = low[:at]
	}
	return low + "–" + high
}

// whole is between for counts; nothing is told as nothing.
func whole(r engine.Range) string {
	if r.High <= 0 {
		return ""
	}
	return between(r, func(f float64) string { return count(int64(math.Round(f))) })
}

// money is between for amounts; nothing is told as nothing.
func money(r engine.Range) string {
	if r.High <= 0 {
		return ""
	}
	places := 2
	if r.High < 0.1 {
		places = 4
	}
	return between(r, func(f float64) string {
		switch {
		case f <= 0:
			return "$0"
		case places == 2:
			return amount(f)
		}
		return fmt.Sprintf("$%.*f", places, f)
	})
}

// rough writes a large number with as many digits as one reads.
func rough(f float64) string {
	switch {
	case f < 9_999.5:
		return count(int64(math.Round(f)))
	case f < 999_500:
		return digits(f/1e3) + " k"
	case f < 999.5e6:
		return digits(f/1e6) + " M"
	}
	return digits(f/1e9) + " G"
}

// digits writes a number with about three digits.
func digits(f float64) string {
	switch {
	case f < 9.995:
		return fmt.Sprintf("%.2f", f)
	case f < 99.95:
		return fmt.Sprintf("%.1f", f)
	}
	return count(int64(math.Round(f)))
}

// roughTime writes a time that is not known well.
func roughTime(seconds float64) string {
	switch {
	case seconds < 1:
		return "1 s"
	case seconds < 90:
		return fmt.Sprintf("%.0f s", seconds)
	case seconds < 90*60:
		return fmt.Sprintf("%.0f min", seconds/60)
	case seconds < 72*3600:
		return fmt.Sprintf("%.0f h", seconds/3600)
	}
	return fmt.Sprintf("%.0f days", seconds/86400)
}

// tokens is between for numbers of tokens.
func tokens(r engine.Range) string {
	if r.Exact {
		return count(int64(math.Round(r.High)))
	}
	return between(r, rough)
}

// bytesOf writes a size.
func bytesOf(n int64) string {
	const unit = 1024
	if n < unit {
		return count(n) + " B"
	}
	f, i := float64(n)/unit, 0
	for ; f >= 1000 && i < 3; i++ {
		f /= unit
	}
	places := 0
	if f < 9.95 {
		places = 1
	}
	return fmt.Sprintf("%.*f %ciB", places, f, "KMGT"[i])
}
