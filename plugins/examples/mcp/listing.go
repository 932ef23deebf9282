package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// The most that is taken from a server, or from a file: far above what agents
// can use, and little enough that a hostile server does no harm.
const (
	maxListing = 16 << 20 // bytes
	maxTools   = 5000
)

// listing is what a server says of its tools. In a file it is a snapshot.
type listing struct {
	Server serverInfo `json:"server"`
	Tools  []tool     `json:"tools"`

	leftOut []string // tools that cannot be used, and why
}

// serverInfo is what a server says of itself. The version of the protocol that
// was spoken is not in it: it says nothing of the tools, and hangs on the way
// to the server.
type serverInfo struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

// tool is a tool as the protocol describes it. What a client has no use for
// (icons, _meta) is left out.
type tool struct {
	Name         string          `json:"name"`
	Title        string          `json:"title,omitempty"`
	Description  string          `json:"description,omitempty"`
	InputSchema  json.RawMessage `json:"inputSchema,omitempty"`
	OutputSchema json.RawMessage `json:"outputSchema,omitempty"`
	Annotations  *annotations    `json:"annotations,omitempty"`
}

// annotations are a server's hints about a tool. They may be wrong.
type annotations struct {
	Title       string `json:"title,omitempty"`
	ReadOnly    *bool  `json:"readOnlyHint,omitempty"`
	Destructive *bool  `json:"destructiveHint,omitempty"`
	Idempotent  *bool  `json:"idempotentHint,omitempty"`
	OpenWorld   *bool  `json:"openWorldHint,omitempty"`
}

// hints gives the hints that the server gave, by name.
func (a *annotations) hints() map[string]bool {
	out := map[string]bool{}
	if a == nil {
		return out
	}
	for name, value := range map[string]*bool{
		"read_only": a.ReadOnly, "destructive": a.Destructive, "idempotent": a.Idempotent, "open_world": a.OpenWorld,
	} {
		if value != nil {
			out[name] = *value
		}
	}
	return out
}

// tidy puts the tools in order of name and leaves out those that cannot be
// told apart, so that equal servers give equal listings.
func (l *listing) tidy() {
	kept := make([]tool, 0, len(l.Tools))
	named := map[string]tool{}
	for i, t := range l.Tools {
		other, twice := named[t.Name]
		switch {
		case strings.TrimSpace(t.Name) == "":
			l.leftOut = append(l.leftOut, fmt.Sprintf("tool %d: it has no name", i+1))
		case twice && sameTool(t, other):
			l.leftOut = append(l.leftOut, fmt.Sprintf("%s: it is listed twice", shown(t.Name)))
		case twice:
			l.leftOut = append(l.leftOut, fmt.Sprintf("%s: it is listed twice, and differently; the first one counts", shown(t.Name)))
		default:
			named[t.Name] = t
			kept = append(kept, t)
		}
	}
	slices.SortStableFunc(kept, func(a, b tool) int { return strings.Compare(a.Name, b.Name) })
	l.Tools = kept
}

func sameTool(a, b tool) bool {
	x, errX := canonical(a, "")
	y, errY := canonical(b, "")
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// text gives the listing as a snapshot: equal listings give equal bytes.
func (l *listing) text() ([]byte, error) {
	b, err := canonical(l, "  ")
	return append(b, '\n'), err
}

// digest names the tools by their content; what the server says of itself
// plays no part.
func (l *listing) digest() (string, error) {
	b, err := canonical(l.Tools, "")
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// canonical writes a value as JSON with the members of objects in order.
func canonical(v any, indent string) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	plain, err := decode(b)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(plain); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// decode reads one JSON value and keeps numbers as they are written.
func decode(b []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is something after the value")
	}
	return v, nil
}

// readListing reads a snapshot. The name stands in errors.
func readListing(name, path string) (listing, error) {
	f, err := os.Open(path)
	if err != nil {
		var p *os.PathError
		if errors.As(err, &p) {
			err = p.Err // without the path of this machine
		}
		return listing{}, fmt.Errorf("%s: %w", name, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxListing+1))
	if err != nil {
		return listing{}, fmt.Errorf("%s: %w", name, err)
	}
	l, err := parseListing(b)
	if err != nil {
		return listing{}, fmt.Errorf("%s: %w", name, err)
	}
	return l, nil
}

// parseListing reads a snapshot, or the bare answer to tools/list, with or
// without its JSON-RPC envelope, as other programs save it.
func parseListing(b []byte) (listing, error) {
	if len(b) > maxListing {
		return listing{}, fmt.Errorf("it is larger than %d MiB", maxListing>>20)
	}
	var file struct {
		listing
		Next   string `json:"nextCursor"`
		Result *struct {
			Tools []tool `json:"tools"`
			Next  string `json:"nextCursor"`
		} `json:"result"`
	}
	if err := json.Unmarshal(bytes.TrimPrefix(b, []byte("\ufeff")), &file); err != nil {
		return listing{}, atLine(b, err)
	}
	l, next := file.listing, file.Next
	if l.Tools == nil && file.Result != nil {
		l.Tools, next = file.Result.Tools, file.Result.Next
	}
	switch {
	case l.Tools == nil:
		return listing{}, errors.New(`it holds no tools: a snapshot, or a server's answer to tools/list, has a member "tools"`)
	case next != "":
		return listing{}, errors.New("it is only one page of a longer list (nextCursor is set); take a snapshot, which asks for all of them")
	case len(l.Tools) > maxTools:
		return listing{}, fmt.Errorf("it holds %d tools; %d are the most", len(l.Tools), maxTools)
	}
	l.tidy()
	return l, nil
}

// atLine adds the line to an error of encoding/json.
func atLine(b []byte, err error) error {
	offset := int64(-1)
	var syntax *json.SyntaxError
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &wrong):
		offset = wrong.Offset
		err = fmt.Errorf("%s: a %s stands where it cannot", wrong.Field, wrong.Value)
	}
	if offset < 0 || offset > int64(len(b)) {
		return fmt.Errorf("it is no snapshot: %w", err)
	}
	return fmt.Errorf("line %d: it is no snapshot: %w", 1+bytes.Count(b[:offset], []byte("\n")), err)
}
