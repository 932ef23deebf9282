package spec

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// maxTextFile bounds what file() reads.
const maxTextFile = 16 << 20

// sensitive marks values that must not be shown, stored or sent to a plugin.
type sensitiveMark struct{}

// callError is an error of a function that stands as a problem of its own.
type callError struct{ summary, detail string }

func (e *callError) Error() string { return e.detail }

// missingVariable is the summary of env() of a variable that is not set.
const missingVariable = "Missing environment variable"

// environ is the process environment that env() sees.
type environ map[string]string

func newEnviron(list []string) environ {
	env := environ{}
	for _, entry := range list {
		if name, value, ok := strings.Cut(entry, "="); ok {
			env[name] = value
		}
	}
	return env
}

// functions are what HCL expressions may call. With lenient, a missing
// environment variable is an unknown value and not an error: blocks that no
// enabled step uses are checked that way.
// found is told the sensitive values that come out of it, and texts what was
// read from which file.
func functions(dir string, env environ, lenient bool, found secrets, texts map[string]string) map[string]function.Function {
	return map[string]function.Function{
		"env":        envFunc(env, lenient, found),
		"file":       fileFunc(dir, texts),
		"fileexists": fileExistsFunc(dir),
		"sha256":     sha256Func(),
		"length":     lengthFunc(),

		"coalesce":   stdlib.CoalesceFunc,
		"concat":     stdlib.ConcatFunc,
		"contains":   stdlib.ContainsFunc,
		"distinct":   stdlib.DistinctFunc,
		"flatten":    stdlib.FlattenFunc,
		"format":     stdlib.FormatFunc,
		"join":       stdlib.JoinFunc,
		"jsondecode": jsonDecodeFunc(),
		"jsonencode": stdlib.JSONEncodeFunc,
		"keys":       stdlib.KeysFunc,
		"lookup":     lookupFunc(),
		"lower":      stdlib.LowerFunc,
		"max":        stdlib.MaxFunc,
		"merge":      stdlib.MergeFunc,
		"min":        stdlib.MinFunc,
		"range":      stdlib.RangeFunc,
		"replace":    stdlib.ReplaceFunc,
		"sort":       stdlib.SortFunc,
		"split":      stdlib.SplitFunc,
		"tolist":     stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)),
		"tonumber":   stdlib.MakeToFunc(cty.Number),
		"toset":      stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)),
		"tostring":   stdlib.MakeToFunc(cty.String),
		"trimspace":  stdlib.TrimSpaceFunc,
		"upper":      stdlib.UpperFunc,
		"values":     stdlib.ValuesFunc,
	}
}

// lookupFunc is lookup(map, key, default). The default may be of another type
// than what the map holds: what is read from a recipe's objects often is, such as
// {} beside objects that have attributes.
func lookupFunc() function.Function {
	return function.New(&function.Spec{
		Params: stdlib.LookupFunc.Params(),
		Type: func(args []cty.Value) (cty.Type, error) {
			if ty, err := stdlib.LookupFunc.ReturnTypeForValues(args); err == nil || !args[0].Type().IsMapType() {
				return ty, err
			}
			return cty.DynamicPseudoType, nil
		},
		Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
			if ty != cty.DynamicPseudoType || !args[0].Type().IsMapType() {
				return stdlib.LookupFunc.Call(args)
			}
			all, allMarks := args[0].Unmark()
			key, keyMarks := args[1].Unmark()
			if all.HasIndex(key).True() {
				return all.Index(key).WithMarks(allMarks, keyMarks), nil
			}
			return args[2].WithMarks(allMarks, keyMarks), nil
		},
	})
}

// envFunc is env(name[, default]). A variable that is empty counts as unset.
// The value of one whose name ends in KEY, TOKEN, SECRET, PASSWORD or the
// like is sensitive.
func envFunc(env environ, lenient bool, found secrets) function.Function {
	return function.New(&function.Spec{
		Params:   []function.Parameter{{Name: "name", Type: cty.String}},
		VarParam: &function.Parameter{Name: "default", Type: cty.String, AllowNull: true},
		Type:     function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if len(args) > 2 {
				return cty.NilVal, function.NewArgErrorf(2, "env takes a name and at most one default")
			}
			name := args[0].AsString()
			value := env[name]
			switch {
			case value != "" && secretName(name):
				found.add(cty.StringVal(value))
				return cty.StringVal(value).Mark(sensitiveMark{}), nil
			case value != "":
				return cty.StringVal(value), nil
			case len(args) == 2:
				return args[1], nil
			case lenient:
				return cty.UnknownVal(cty.String), nil
			}
			return cty.NilVal, &callError{missingVariable, fmt.Sprintf(
				"The environment variable %s is not set, or is empty. Set it (export %s=...), or give a default: env(%q, \"...\").", name, name, name)}
		},
	})
}

// secretName says whether an environment variable holds a secret, by the last
// word of its name.
func secretName(name string) bool {
	last := name[strings.LastIndex(name, "_")+1:]
	words := []string{"KEY", "APIKEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "CREDENTIALS"}
	return slices.Contains(words, strings.ToUpper(last))
}

// fileFunc is file(path): the text of a file. A relative path starts at the
// recipe's folder and may leave it through "..", and an absolute path is
// allowed: what counts for keys is the text, not where it was.
func fileFunc(dir string, texts map[string]string) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			path := args[0].AsString()
			src, err := readRegular(resolvePath(dir, path), maxTextFile)
			if err != nil {
				return cty.NilVal, &callError{"Unreadable file", fmt.Sprintf(
					"The file %q cannot be read: %s. A relative path starts at the recipe's folder.", path, err)}
			}
			if !utf8.Valid(src) {
				return cty.NilVal, &callError{"Unreadable file", fmt.Sprintf(
					"The file %q is not text in UTF-8. Save it in UTF-8.", path)}
			}
			texts[resolvePath(dir, path)] = string(src)
			return cty.StringVal(string(src)), nil
		},
	})
}

func fileExistsFunc(dir string) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			info, err := os.Stat(resolvePath(dir, args[0].AsString()))
			return cty.BoolVal(err == nil && info.Mode().IsRegular()), nil
		},
	})
}

// resolvePath gives the place of a path that is written in a recipe.
func resolvePath(dir, path string) string {
	path = filepath.FromSlash(path)
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

func sha256Func() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "text", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			sum := sha256.Sum256([]byte(args[0].AsString()))
			return cty.StringVal(hex.EncodeToString(sum[:])), nil
		},
	})
}

// lengthFunc counts elements, or the characters of a string.
func lengthFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType}},
		Type: func(args []cty.Value) (cty.Type, error) {
			ty := args[0].Type()
			if ty == cty.String || ty == cty.DynamicPseudoType || ty.IsTupleType() || ty.IsObjectType() || ty.IsCollectionType() {
				return cty.Number, nil
			}
			return cty.Number, function.NewArgErrorf(0, "a string, a list, a set, a map or an object is required")
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			switch ty := args[0].Type(); {
			case ty == cty.String:
				return stdlib.Strlen(args[0])
			case ty.IsTupleType():
				return cty.NumberIntVal(int64(ty.Length())), nil
			case ty.IsObjectType():
				return cty.NumberIntVal(int64(len(ty.AttributeTypes()))), nil
			}
			return args[0].Length(), nil
		},
	})
}

// jsonDecodeFunc is jsondecode, which refuses what is nested without end.
func jsonDecodeFunc() function.Function {
	const maxDepth = 1000
	decode := stdlib.JSONDecodeFunc
	return function.New(&function.Spec{
		Params: decode.Params(),
		Type: func(args []cty.Value) (cty.Type, error) {
			if v, _ := args[0].Unmark(); v.IsKnown() && !v.IsNull() && jsonDepth([]byte(v.AsString())) > maxDepth {
				return cty.NilType, function.NewArgErrorf(0, "JSON that is nested more than %d deep", maxDepth)
			}
			return decode.ReturnTypeForValues(args)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return decode.Call(args) },
	})
}
