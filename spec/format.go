package spec

import (
	"bytes"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Format gives the canonical layout of one *.hcl file: spacing, alignment and
// a line end at the end; blocks, order and comments stay as they are. A file
// with a syntax error is refused. JSON has its own tools and is returned as
// it is.
func Format(filename string, src []byte) ([]byte, hcl.Diagnostics) {
	if strings.HasSuffix(filename, ".json") {
		return src, nil
	}
	file, diags := parseSource(filename, src)
	if diags.HasErrors() {
		hideLiteralSecrets(diags, map[string]*hcl.File{filename: file})
		return nil, diags
	}
	if len(src) > 0 && !bytes.HasSuffix(src, []byte("\n")) {
		src = append(bytes.Clone(src), '\n')
	}
	// One pass can move a token that the next pass would align anew.
	const passes = 4
	for range passes {
		formatted := hclwrite.Format(src)
		if bytes.Equal(formatted, src) {
			break
		}
		src = formatted
	}
	return src, diags
}
