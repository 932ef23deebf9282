package jsonschema

import (
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Readers of keywords' values. Each names the place of what is not as it must
// be.

func text(n *node, key string, v any) (string, *Error) {
	s, ok := v.(string)
	if !ok {
		return "", fail(n, []string{key}, "must be a string, not %s", TypeName(v))
	}
	return s, nil
}

func boolean(n *node, key string, v any) (bool, *Error) {
	b, ok := v.(bool)
	if !ok {
		return false, fail(n, []string{key}, "must be a boolean, not %s", TypeName(v))
	}
	return b, nil
}

func array(n *node, key string, v any) ([]any, *Error) {
	list, ok := v.([]any)
	if !ok {
		return nil, fail(n, []string{key}, "must be an array, not %s", TypeName(v))
	}
	return list, nil
}

// object also gives the names in order.
func object(n *node, key string, v any) (map[string]any, []string, *Error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, nil, fail(n, []string{key}, "must be an object, not %s", TypeName(v))
	}
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return m, names, nil
}

func pattern(n *node, v any, at ...string) (*regexp.Regexp, *Error) {
	s, ok := v.(string)
	if !ok {
		return nil, fail(n, at, "must be a string, not %s", TypeName(v))
	}
	re, err := regexp.Compile(s)
	if err != nil {
		return nil, fail(n, at, "is not a regular expression of Go: %s", cut(err.Error(), longestValue))
	}
	return re, nil
}

// names reads a list of different strings.
func (c *compiler) names(n *node, v any, at ...string) ([]string, *Error) {
	list, ok := v.([]any)
	if !ok {
		return nil, fail(n, at, "must be an array of names, not %s", TypeName(v))
	}
	if n.res.draft == draft4 && len(list) == 0 {
		return nil, fail(n, at, "must not be empty in draft 4")
	}
	names := make([]string, len(list))
	for i, e := range list {
		if names[i], ok = e.(string); !ok {
			return nil, fail(n, append(at, strconv.Itoa(i)), "must be a string, not %s", TypeName(e))
		}
	}
	if i, j := twice(list); i >= 0 {
		return nil, fail(n, append(at, strconv.Itoa(j)), "%s is there twice", shown{list[j]})
	}
	return names, nil
}

func typesOf(n *node, v any) (types, *Error) {
	if name, ok := v.(string); ok {
		return oneType(n, name, "type")
	}
	list, ok := v.([]any)
	switch {
	case !ok:
		return 0, fail(n, []string{"type"}, "must be a string or an array, not %s", TypeName(v))
	case len(list) == 0:
		return 0, fail(n, []string{"type"}, "must not be empty")
	}
	var set types
	for i, e := range list {
		t, err := oneType(n, e, "type", strconv.Itoa(i))
		switch {
		case err != nil:
			return 0, err
		case set&t != 0:
			return 0, fail(n, []string{"type", strconv.Itoa(i)}, "%s is there twice", shown{e})
		}
		set |= t
	}
	return set, nil
}

func oneType(n *node, v any, at ...string) (types, *Error) {
	name, ok := v.(string)
	if !ok {
		return 0, fail(n, at, "must be a string, not %s", TypeName(v))
	}
	t, ok := typeOf(name)
	if !ok {
		return 0, fail(n, at, "%s is not a type; those are %s", shown{name}, strings.Join(typeNames(), ", "))
	}
	return t, nil
}

func (c *compiler) enum(n *node, v any) *Error {
	list, err := array(n, "enum", v)
	if err != nil {
		return err
	}
	if n.res.draft <= draft7 {
		if len(list) == 0 {
			return fail(n, []string{"enum"}, "must not be empty")
		}
		if i, j := twice(list); i >= 0 {
			return fail(n, []string{"enum", strconv.Itoa(j)}, "%s is there twice", shown{list[j]})
		}
	}
	r := n.valueRules()
	r.enum, r.hasEnum, r.cost = list, true, r.cost+size(v)
	return nil
}

// size is how many values there are in a value.
func size(v any) int {
	n := 1
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			n += size(e)
		}
	case map[string]any:
		for _, e := range v {
			n += size(e)
		}
	}
	return n
}

// twice finds two elements that are equal, the first such pair; -1 if there is
// none.
func twice(list []any) (first, second int) {
	if len(list) <= 16 && !slices.ContainsFunc(list, isContainer) {
		for j := range list {
			for i := range j {
				if Equal(list[i], list[j]) {
					return i, j
				}
			}
		}
		return -1, -1
	}
	seen, key := make(map[string]int, len(list)), []byte(nil)
	for j, e := range list {
		key = appendKey(key[:0], e)
		if i, ok := seen[string(key)]; ok {
			return i, j
		}
		seen[string(key)] = j
	}
	return -1, -1
}

func isContainer(v any) bool {
	switch v.(type) {
	case []any, map[string]any:
		return true
	}
	return false
}

// maxDigits bounds the numbers of a schema, in characters and in their
// exponent: nothing that is counted or measured comes near.
const maxDigits = 400

func readNumber(n *node, key string, v any) (*bound, *Error) {
	num, ok := v.(json.Number)
	if !ok {
		return nil, fail(n, []string{key}, "must be a number, not %s", TypeName(v))
	}
	d, ok := parseNumber(string(num))
	if !ok || len(num) > maxDigits || d.exp > maxDigits || d.exp < -maxDigits {
		return nil, fail(n, []string{key}, "the number %.40s is too long or too large", string(num))
	}
	return &bound{d, string(num)}, nil
}

func (c *compiler) number(n *node, key string, v any) *Error {
	if b, ok := v.(bool); ok && n.res.draft == draft4 && key != "minimum" && key != "maximum" && key != "multipleOf" {
		return exclusive(n, key, b)
	}
	num, err := readNumber(n, key, v)
	if err != nil {
		return err
	}
	r := n.numberRules()
	switch key {
	case "minimum":
		r.low = num
	case "maximum":
		r.high = num
	case "multipleOf":
		if r.step = num; num.sign() <= 0 {
			return fail(n, []string{key}, "must be above 0, not %s", num.text)
		}
	default:
		if n.res.draft == draft4 {
			return fail(n, []string{key}, "must be a boolean in draft 4, not number")
		}
		if key == "exclusiveMinimum" {
			r.above = num
		} else {
			r.below = num
		}
	}
	return nil
}

// exclusive reads draft 4's words for a bound that is itself out.
func exclusive(n *node, key string, v bool) *Error {
	r, beside := n.numberRules(), "minimum"
	if key == "exclusiveMinimum" {
		r.notLow = v
	} else {
		r.notHigh, beside = v, "maximum"
	}
	if _, ok := n.raw.(map[string]any)[beside]; !ok {
		return fail(n, []string{key}, "needs %s beside it in draft 4", beside)
	}
	return nil
}

func (c *compiler) count(n *node, key string, v any) *Error {
	num, err := readNumber(n, key, v)
	if err != nil {
		return err
	}
	if num.sign() < 0 || !num.isInt() {
		return fail(n, []string{key}, "must be a whole number from 0, not %s", num.text)
	}
	count := num.toInt()
	switch key {
	case "minLength":
		n.textRules().length.least = count
	case "maxLength":
		n.textRules().length.most = count
	case "minItems":
		n.listRules().counts.least = count
	case "maxItems":
		n.listRules().counts.most = count
	case "minContains":
		n.listRules().found.least = count
	case "maxContains":
		n.listRules().found.most = count
	case "minProperties":
		n.objectRules().counts.least = count
	case "maxProperties":
		n.objectRules().counts.most = count
	}
	return nil
}

// toInt is a whole number that is not below 0; the largest int for all beyond.
func (d decimal) toInt() int {
	count := 0
	for i := range d.exp {
		digit := 0
		if i < int64(len(d.digits)) {
			digit = int(d.digits[i] - '0')
		}
		if count > (math.MaxInt-digit)/10 {
			return math.MaxInt
		}
		count = count*10 + digit
	}
	return count
}

// items reads a schema for all elements; before 2020-12 also a list of schemas
// for the first ones.
func (c *compiler) items(n *node, v any) (err *Error) {
	r := n.listRules()
	if _, ok := v.([]any); !ok {
		r.rest, err = c.child(n, "items", v)
		return err
	}
	if n.res.draft >= draft2020 {
		return fail(n, []string{"items"}, "must be an object or a boolean, not array; for a list of schemas there is prefixItems")
	}
	r.first, err = c.list(n, "items", v)
	return err
}

// additionalItems counts only beside a list of items.
func (c *compiler) additionalItems(n *node, v any) *Error {
	rest, err := c.child(n, "additionalItems", v)
	if err != nil {
		return err
	}
	if _, ok := n.raw.(map[string]any)["items"].([]any); ok {
		n.listRules().rest = rest
	}
	return nil
}

func (c *compiler) patternProperties(n *node, v any) *Error {
	names, nodes, err := c.members(n, "patternProperties", v)
	if err != nil {
		return err
	}
	r := n.objectRules()
	for i, name := range names {
		re, err := pattern(n, name, "patternProperties", name)
		if err != nil {
			return err
		}
		r.patterns = append(r.patterns, patternRule{re, nodes[i]})
	}
	return nil
}

// dependencies reads what the presence of a property asks for: names, or a
// schema; in the older keyword either.
func (c *compiler) dependencies(n *node, key string, v any) *Error {
	members, names, err := object(n, key, v)
	if err != nil {
		return err
	}
	r := n.objectRules()
	for _, name := range names {
		d, v := dependency{name: name}, members[name]
		_, list := v.([]any)
		if key == "dependentRequired" || list && key == "dependencies" {
			d.names, err = c.names(n, v, key, name)
		} else {
			d.node, err = c.node(node{up: n, key: key, name: name, named: true, raw: v, res: n.res})
		}
		if err != nil {
			return err
		}
		r.needs = append(r.needs, d)
	}
	return nil
}
