package offline

import (
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// accepts reports whether a value fits the schema, for the keywords that a
// value can be made for.
func (s *schema) accepts(v any, depth int) bool {
	if s.never || depth > maxNesting {
		return false
	}
	if list := s.enum(); len(list) > 0 {
		return slices.ContainsFunc(list, func(e any) bool { return same(plain(e), v) })
	}
	if v == nil {
		return s.nullable()
	}
	if n, ok := numeric(v); ok {
		return s.numberFits(n)
	}
	typ := s.typ()
	switch v := v.(type) {
	case string:
		return (typ == "string" || typ == "") && s.textFits(v)
	case bool:
		return typ == "boolean" || typ == ""
	case []string:
		list := make([]any, len(v))
		for i := range v {
			list[i] = v[i]
		}
		return s.listFits(list, typ, depth)
	case []any:
		return s.listFits(v, typ, depth)
	case fields:
		return s.objectFits(v, typ, depth)
	}
	return false
}

func (s *schema) nullable() bool {
	switch t := s.node["type"].(type) {
	case string:
		return t == "null"
	case []any:
		return slices.Contains(t, any("null"))
	}
	return len(s.node) == 0
}

func numeric(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case cents:
		return float64(v) / 100, true
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	}
	return 0, false
}

func (s *schema) numberFits(n float64) bool {
	switch typ := s.typ(); {
	case typ == "integer" && n != math.Trunc(n), typ != "integer" && typ != "number" && typ != "":
		return false
	}
	if v, ok := s.float("minimum"); ok && n < v {
		return false
	}
	if v, ok := s.float("maximum"); ok && n > v {
		return false
	}
	if v, ok := s.float("exclusiveMinimum"); ok && n <= v {
		return false
	}
	if v, ok := s.float("exclusiveMaximum"); ok && n >= v {
		return false
	}
	if v, ok := s.float("multipleOf"); ok && v > 0 && n/v != math.Trunc(n/v) {
		return false
	}
	return true
}

func (s *schema) textFits(v string) bool {
	if !s.lengthFits(v) {
		return false
	}
	if p := s.str("pattern"); p != "" {
		re, err := regexp.Compile(p)
		if err == nil && !re.MatchString(v) {
			return false
		}
	}
	switch s.str("format") {
	case "date":
		return isDate(v)
	case "date-time":
		return len(v) >= 20 && isDate(v[:10]) && v[10] == 'T'
	case "time":
		return len(v) >= 9 && v[2] == ':' && v[5] == ':'
	case "email":
		return isEmail(v)
	case "uri", "url":
		return strings.Contains(v, "://") && !strings.ContainsAny(v, " <>\"")
	case "hostname":
		return strings.Contains(v, ".") && !strings.ContainsAny(v, " @/_")
	case "ipv4", "ipv6", "uuid", "duration":
		return !strings.ContainsAny(v, " @/") && (strings.ContainsAny(v, ".:-") || v[0] == 'P') && fmtOK(s.str("format"), v)
	}
	return true
}

// fmtOK tells the shapes of the stricter formats apart.
func fmtOK(format, v string) bool {
	switch format {
	case "ipv4":
		return strings.Count(v, ".") == 3 && strings.Trim(v, "0123456789.") == ""
	case "ipv6":
		return strings.Count(v, ":") >= 2 && strings.Trim(v, "0123456789abcdef:") == ""
	case "uuid":
		return len(v) == 36 && strings.Count(v, "-") == 4
	}
	return strings.HasPrefix(v, "P")
}

func (s *schema) lengthFits(v string) bool {
	n := utf8.RuneCountInString(v)
	least, _ := s.integer("minLength")
	most, bounded := s.integer("maxLength")
	return n >= least && (!bounded || n <= most)
}

func (s *schema) listFits(v []any, typ string, depth int) bool {
	if typ != "array" && typ != "" {
		return false
	}
	least, _ := s.integer("minItems")
	most, bounded := s.integer("maxItems")
	if len(v) < least || bounded && len(v) > most {
		return false
	}
	if _, declared := s.node["items"]; !declared && len(s.prefix()) == 0 {
		return true
	}
	items, prefix := s.items(), s.prefix()
	for i, e := range v {
		is := items
		if i < len(prefix) {
			is = newSchema(s.root, prefix[i])
		}
		if !is.accepts(e, depth+1) {
			return false
		}
	}
	return true
}

func (s *schema) objectFits(v fields, typ string, depth int) bool {
	if typ != "object" && typ != "" {
		return false
	}
	props := s.properties()
	for _, p := range props {
		m, ok := v.get(p.name)
		if !ok && p.required || ok && !p.schema.accepts(m, depth+1) {
			return false
		}
	}
	extra := s.additional()
	for _, f := range v {
		known := slices.ContainsFunc(props, func(p *param) bool { return p.name == f.name })
		if !known && (extra.never || len(extra.node) > 0 && !extra.accepts(f.value, depth+1)) {
			return false
		}
	}
	least, _ := s.integer("minProperties")
	most, bounded := s.integer("maxProperties")
	return len(v) >= least && (!bounded || len(v) <= most)
}
