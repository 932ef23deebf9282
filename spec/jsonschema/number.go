package jsonschema

import (
	"cmp"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// decimal is a number, exactly: 0.digits × 10^exp. The digits neither begin nor
// end with a zero; zero itself has none. Numbers are compared and divided in
// this form, so that 1e999999999 takes no more memory than its text does.
type decimal struct {
	negative bool
	digits   string
	exp      int64
}

// maxExp stands for every exponent beyond it, in either direction.
const maxExp = math.MaxInt64 / 4

// parseNumber reads a number as JSON writes them; ok is false for other text.
func parseNumber(text string) (d decimal, ok bool) {
	text, d.negative = strings.CutPrefix(text, "-")
	mantissa := text
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		mantissa = text[:i]
		if d.exp, ok = parseExp(text[i+1:]); !ok {
			return decimal{}, false
		}
	}
	whole, part, dot := strings.Cut(mantissa, ".")
	if !allDigits(whole) || dot && !allDigits(part) {
		return decimal{}, false
	}
	whole, part = strings.TrimLeft(whole, "0"), strings.TrimRight(part, "0")
	d.exp += int64(len(whole))
	switch {
	case whole == "":
		d.digits = strings.TrimLeft(part, "0")
		d.exp -= int64(len(part) - len(d.digits))
	case part == "":
		d.digits = strings.TrimRight(whole, "0")
	default:
		d.digits = whole + part
	}
	if d.digits == "" {
		return decimal{}, true
	}
	return d, true
}

func parseExp(text string) (int64, bool) {
	digits, negative := strings.CutPrefix(text, "-")
	if !negative {
		digits = strings.TrimPrefix(digits, "+")
	}
	if !allDigits(digits) {
		return 0, false
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > maxExp {
		n = maxExp
	}
	if negative {
		n = -n
	}
	return n, true
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func (d decimal) isInt() bool { return int64(len(d.digits)) <= d.exp || d.digits == "" }

// compare gives -1, 0 or 1.
func (d decimal) compare(e decimal) int {
	if s, t := d.sign(), e.sign(); s != t || s == 0 {
		return cmp.Compare(s, t)
	}
	c := cmp.Or(cmp.Compare(d.exp, e.exp), strings.Compare(d.digits, e.digits))
	if d.negative {
		return -c
	}
	return c
}

func (d decimal) sign() int {
	switch {
	case d.digits == "":
		return 0
	case d.negative:
		return -1
	}
	return 1
}

// multipleOf says whether d is a whole number of times m, which is not zero.
func (d decimal) multipleOf(m decimal) bool {
	if d.digits == "" {
		return true
	}
	// As whole numbers of tens: d is D × 10^zeros times as large as M is. D
	// does not end with a zero, so that it is no multiple of ten.
	zeros := d.exp - int64(len(d.digits)) - m.exp + int64(len(m.digits))
	if zeros < 0 {
		return false
	}
	const fits = 18 // digits: ten times such a number is still an uint64
	if len(m.digits) > fits {
		return d.multipleOfLong(m, zeros)
	}
	by, _ := strconv.ParseUint(m.digits, 10, 64)
	var rest uint64
	for i := range len(d.digits) {
		rest = (rest*10 + uint64(d.digits[i]-'0')) % by
	}
	// Each zero adds a 2 and a 5 to the factors. The divisor has less than 60
	// of each, so that more of them change nothing.
	for range min(zeros, 60) {
		rest = rest * 10 % by
	}
	return rest == 0
}

func (d decimal) multipleOfLong(m decimal, zeros int64) bool {
	var n, by big.Int
	n.SetString(d.digits, 10)
	by.SetString(m.digits, 10)
	ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(min(zeros, int64(by.BitLen()))), nil)
	return n.Mul(&n, ten).Rem(&n, &by).Sign() == 0
}

// key is the same for equal numbers, and for those alone.
func (d decimal) key() string {
	sign := "+"
	if d.negative {
		sign = "-"
	}
	return sign + d.digits + "e" + strconv.FormatInt(d.exp, 10)
}
