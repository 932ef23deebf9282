package spec

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// The parsers of HCL recurse without a bound, and a stack that overflows
// cannot be recovered from. These bounds are far above what anyone writes.
const (
	maxNesting   = 200    // brackets and templates inside each other
	maxOperators = 20_000 // in a file; each may nest in the one before
)

// checkNesting refuses HCL source that would exhaust the parser's stack.
func checkNesting(filename string, src []byte) *hcl.Diagnostic {
	if strings.HasSuffix(filename, ".json") {
		return checkJSONNesting(filename, src)
	}
	if fewOpenings(src) {
		return nil
	}
	tokens, _ := hclsyntax.LexConfig(src, filename, hcl.InitialPos)
	return nestingOf(tokens)
}

// fewOpenings says that a file is within the bounds however it reads: it has
// no room for more. Most recipes need not be looked at twice.
func fewOpenings(src []byte) bool {
	if len(src) > maxOperators {
		return false
	}
	openings := 0
	for _, c := range src {
		switch c {
		case '{', '[', '(', '"', '<': // a heredoc opens with the last
			openings++
		}
	}
	return openings <= maxNesting
}

func nestingOf(tokens hclsyntax.Tokens) *hcl.Diagnostic {
	depth, operators := 0, 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc,
			hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			depth++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc,
			hclsyntax.TokenTemplateSeqEnd:
			depth = max(depth-1, 0)
		case hclsyntax.TokenBang, hclsyntax.TokenMinus, hclsyntax.TokenPlus, hclsyntax.TokenStar, hclsyntax.TokenSlash, hclsyntax.TokenPercent,
			hclsyntax.TokenQuestion, hclsyntax.TokenAnd, hclsyntax.TokenOr, hclsyntax.TokenEqualOp, hclsyntax.TokenNotEqual,
			hclsyntax.TokenLessThan, hclsyntax.TokenLessThanEq, hclsyntax.TokenGreaterThan, hclsyntax.TokenGreaterThanEq:
			operators++
		}
		if depth > maxNesting || operators > maxOperators {
			return tooDeep(t.Range)
		}
	}
	return nil
}

func tooDeep(rng hcl.Range) *hcl.Diagnostic {
	return problemAt(rng, "Nested too deeply", "Here brackets or templates stand more than %d deep in each other, or the file has more than %d operators. Take the expression apart with local values, or read data with jsondecode(file(...)).", maxNesting, maxOperators)
}

// checkJSONNesting does the same for JSON and the templates in its strings.
func checkJSONNesting(filename string, src []byte) *hcl.Diagnostic {
	start := hcl.Range{Filename: filename, Start: hcl.InitialPos, End: hcl.InitialPos}
	if jsonDepth(src) > maxNesting {
		return tooDeep(start)
	}
	for rest := src; ; {
		i := bytes.IndexByte(rest, '"')
		if i < 0 {
			return nil
		}
		text, size := jsonString(rest[i:])
		rest = rest[i+size:]
		if !bytes.Contains(text, []byte("${")) && !bytes.Contains(text, []byte("%{")) {
			continue
		}
		tokens, _ := hclsyntax.LexTemplate(text, filename, hcl.InitialPos)
		if nestingOf(tokens) != nil {
			return tooDeep(start)
		}
	}
}

// jsonString decodes the string at the start of src, as far as it can be, and
// says how long it is.
func jsonString(src []byte) (text []byte, size int) {
	for size = 1; size < len(src) && src[size] != '"'; size++ {
		if src[size] == '\\' {
			size++
		}
	}
	size = min(size+1, len(src))
	var s string
	if json.Unmarshal(src[:size], &s) != nil {
		return src[1:size], size
	}
	return []byte(s), size
}

// jsonDepth is how deep arrays and objects stand in each other.
func jsonDepth(src []byte) int {
	depth, deepest := 0, 0
	for i := 0; i < len(src); i++ {
		switch src[i] {
		case '"':
			_, size := jsonString(src[i:])
			i += size - 1
		case '[', '{':
			depth++
			deepest = max(deepest, depth)
		case ']', '}':
			depth = max(depth-1, 0)
		}
	}
	return deepest
}
