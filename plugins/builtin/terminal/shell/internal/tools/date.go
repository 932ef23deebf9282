package tools

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

func unixTime(n int64) time.Time { return time.Unix(n, 0).UTC() }

// strftime formats a time as date does. All times are of UTC.
func strftime(format string, t time.Time) string {
	layouts := map[byte]string{
		'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'h': "Jan", 'c': "Mon Jan _2 15:04:05 2006", 'd': "02", 'D': "01/02/06", 'e': "_2", 'F': "2006-01-02",
		'H': "15", 'I': "03", 'm': "01", 'M': "04", 'p': "PM", 'r': "03:04:05 PM", 'R': "15:04", 'S': "05", 'T': "15:04:05", 'x': "01/02/06", 'X': "15:04:05", 'y': "06", 'Y': "2006", 'z': "-0700", 'Z': "MST",
	}
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		bare := false
		if strings.IndexByte("-_0^", format[i]) >= 0 && i+1 < len(format) {
			bare = format[i] == '-'
			i++
		}
		text := ""
		_, week := t.ISOWeek()
		switch ch := format[i]; ch {
		case '%':
			text = "%"
		case 'n':
			text = "\n"
		case 't':
			text = "\t"
		case 's':
			text = strconv.FormatInt(t.Unix(), 10)
		case 'N':
			text = fmt.Sprintf("%09d", t.Nanosecond())
		case 'j':
			text = fmt.Sprintf("%03d", t.YearDay())
		case 'u':
			text = strconv.Itoa((int(t.Weekday())+6)%7 + 1)
		case 'w':
			text = strconv.Itoa(int(t.Weekday()))
		case 'C':
			text = strconv.Itoa(t.Year() / 100)
		case 'V', 'U', 'W':
			text = fmt.Sprintf("%02d", week)
		case 'k':
			text = fmt.Sprintf("%2d", t.Hour())
		case 'l':
			text = fmt.Sprintf("%2d", (t.Hour()+11)%12+1)
		case 'P':
			text = strings.ToLower(t.Format("PM"))
		default:
			layout, ok := layouts[ch]
			if !ok {
				text = "%" + string(ch)
			} else {
				text = t.Format(layout)
			}
		}
		if bare {
			if short := strings.TrimLeft(text, "0 "); short != "" {
				text = short
			} else {
				text = "0"
			}
		}
		b.WriteString(text)
	}
	return b.String()
}

// parseDate reads a date as date -d and touch -d do: a point in time, or one
// relative to now, or both.
func parseDate(text string, now time.Time) (time.Time, bool) {
	text = strings.TrimSpace(text)
	if rest, ok := strings.CutPrefix(text, "@"); ok {
		n, err := strconv.ParseInt(rest, 10, 40)
		return unixTime(n), err == nil
	}
	for _, layout := range []string{
		time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05 MST", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02", "20060102", "2006/01/02", "01/02/2006",
		"Jan 2, 2006", "Jan 2 2006", "2 Jan 2006", "January 2, 2006", "2 January 2006", "Mon Jan _2 15:04:05 MST 2006", "2 Jan 2006 15:04:05", "Jan 2 2006 15:04",
	} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), true
		}
	}
	at := now
	words := strings.Fields(strings.ToLower(text))
	for i := 0; i < len(words); i++ {
		day := time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, time.UTC)
		switch w := words[i]; w {
		case "now", "today", "of":
		case "yesterday":
			at = at.AddDate(0, 0, -1)
		case "tomorrow":
			at = at.AddDate(0, 0, 1)
		case "midnight":
			at = day
		case "noon":
			at = day.Add(12 * time.Hour)
		case "ago":
		case "next", "last":
			n := map[string]int{"next": 1, "last": -1}[w]
			if i+1 == len(words) {
				return at, false
			}
			i++
			var ok bool
			if at, ok = addUnit(at, n, words[i]); !ok {
				return at, false
			}
		default:
			if clock, err := time.Parse("15:04", w); err == nil {
				at = day.Add(time.Duration(clock.Hour())*time.Hour + time.Duration(clock.Minute())*time.Minute)
				continue
			}
			if date, err := time.Parse("2006-01-02", w); err == nil {
				at = date
				continue
			}
			split := strings.IndexFunc(w, func(r rune) bool { return r >= 'a' && r <= 'z' })
			unit := ""
			if split > 0 {
				w, unit = w[:split], w[split:]
			} else if i+1 < len(words) {
				i++
				unit = words[i]
			}
			n, err := strconv.Atoi(w)
			if err != nil || unit == "" || n > 1e6 || n < -1e6 {
				return at, false
			}
			sign := 1
			if i+1 < len(words) && words[i+1] == "ago" {
				sign = -1
			}
			var ok bool
			if at, ok = addUnit(at, sign*n, unit); !ok {
				return at, false
			}
		}
	}
	return at, len(words) > 0
}

func addUnit(t time.Time, n int, unit string) (time.Time, bool) {
	switch strings.TrimSuffix(unit, "s") {
	case "second", "sec":
		return t.Add(time.Duration(n) * time.Second), true
	case "minute", "min":
		return t.Add(time.Duration(n) * time.Minute), true
	case "hour":
		return t.Add(time.Duration(n) * time.Hour), true
	case "day":
		return t.AddDate(0, 0, n), true
	case "week":
		return t.AddDate(0, 0, 7*n), true
	case "month":
		return t.AddDate(0, n, 0), true
	case "year":
		return t.AddDate(n, 0, 0), true
	}
	return t, false
}

func date(c *Call) int {
	f, ok := c.parse("d,date= u,utc,universal I,iso-8601? R,rfc-email r,reference= s,set= rfc-3339= f=")
	if !ok {
		return 1
	}
	at := c.Now()
	if f.has("d") {
		if at, ok = parseDate(f.get("d"), at); !ok {
			c.errf("invalid date '%s'", f.get("d"))
			return 1
		}
	}
	if f.has("r") {
		info, err := c.FS.Stat(c.Who, c.abs(f.get("r")), true)
		if err != nil {
			c.errf("%s: %s", f.get("r"), Reason(err))
			return 1
		}
		at = info.Changed
	}
	if f.has("s") {
		c.errf("cannot set date: Operation not permitted")
		return 1
	}
	format := "%a %b %e %H:%M:%S %Z %Y"
	switch {
	case len(f.args) > 0 && strings.HasPrefix(f.args[0], "+"):
		format = f.args[0][1:]
	case len(f.args) > 0:
		c.errf("invalid date '%s'", f.args[0])
		return 1
	case f.has("I") && strings.HasPrefix(f.get("I"), "s"):
		format = "%Y-%m-%dT%H:%M:%S+00:00"
	case f.has("I"):
		format = "%Y-%m-%d"
	case f.has("R"):
		format = "%a, %d %b %Y %H:%M:%S %z"
	case f.has("rfc-3339"):
		format = "%Y-%m-%d %H:%M:%S+00:00"
	}
	c.printf("%s\n", strftime(format, at))
	return 0
}

// duration reads a time such as 5, 0.5 or 2m.
func duration(text string) (time.Duration, bool) {
	unit := time.Second
	if text == "infinity" {
		return 1 << 62, true
	}
	if text != "" {
		if u, ok := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}[text[len(text)-1]]; ok {
			unit, text = u, text[:len(text)-1]
		}
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n < 0 || n > 1e9 {
		return 0, false
	}
	return time.Duration(min(n*float64(unit), 1<<62)), true
}

func sleep(c *Call) int {
	if len(c.Args) == 0 {
		c.errf("missing operand")
		return 1
	}
	for _, arg := range c.Args {
		d, ok := duration(arg)
		if !ok {
			c.errf("invalid time interval '%s'", arg)
			return 1
		}
		c.Sleep(d)
	}
	return 0
}
