package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/autosafe/autosafe/spec/ots"
)

// row has the columns of the built-in catalogue's rows, so that what comes
// after takes one for the other, and one more.
type row struct {
	Domain   string     `json:"domain" doc:"Field of use, as the block says."`
	Toolkits []string   `json:"toolkits" doc:"The toolkit group: a toolkit is the tools of one server."`
	Tools    []ots.Tool `json:"tools" doc:"Every tool of the group."`
	Outcome  string     `json:"outcome" doc:"Id of the risk outcome that the group can bring about."`
	Origin   ots.Origin `json:"origin" doc:"The snapshot, or the server and the digest of its tools, and the row's place among its rows."`
	MCP      facts      `json:"mcp" doc:"What the servers say that the other columns have no place for."`
}

// facts are what is known of the tools beyond what an agent is told.
type facts struct {
	Servers []serverFacts `json:"servers" doc:"The servers, a toolkit each."`
	Tools   []toolFacts   `json:"tools" doc:"The tools, in the order of the column tools."`
}

type serverFacts struct {
	Toolkit string   `json:"toolkit"`
	Name    string   `json:"name" doc:"What the server calls itself."`
	Version string   `json:"version"`
	Digest  string   `json:"digest" doc:"Digest of all tools that the server lists."`
	LeftOut []string `json:"left_out" doc:"Tools that cannot be used, and why."`
}

type toolFacts struct {
	Name        string          `json:"name" doc:"The tool's name in the column tools."`
	Tool        string          `json:"tool" doc:"The server's own name for it."`
	Effect      string          `json:"effect" doc:"What it does to the world, as far as can be told: read, create, update, delete, send, publish, pay, physical, execute, access or decide."`
	Hints       map[string]bool `json:"hints" doc:"The server's hints: read_only, destructive, idempotent, open_world; only those that it gives."`
	InWords     []string        `json:"in_words" doc:"What of the tool's JSON Schema is told in words, in descriptions, as PROPERTY: KEYWORD."`
	InWordsMore int             `json:"in_words_more" doc:"How many more of them there are."`
	Shortened   bool            `json:"shortened" doc:"Whether its description was cut."`
	Unseen      int             `json:"unseen" doc:"How many characters that nobody sees were taken out of its description. Many are a sign of a hidden text."`
}

// maxInWords is how many of a tool's keywords are listed by name.
const maxInWords = 20

// server is a listing under the names that it has in the rows.
type server struct {
	listing
	toolkit string
	file    string // for Origin.File
	digest  string
}

// fromSnapshots is threat_source "mcp_tools".
func fromSnapshots(ctx context.Context, cfg toolsConfig, emit func(row) error) error {
	var servers []server
	for _, f := range cfg.Snapshot {
		if len(cfg.Snapshot) > 1 && !strings.EqualFold(path.Ext(f.Name), ".json") {
			continue // a folder may hold a README
		}
		l, err := readListing(f.Name, f.Path)
		if err != nil {
			return err
		}
		if l.Server.Name == "" {
			l.Server.Name = strings.TrimSuffix(path.Base(f.Name), path.Ext(f.Name))
		}
		servers = append(servers, server{listing: l, file: f.Name})
	}
	if len(servers) == 0 {
		return errors.New("snapshot: it names no JSON file")
	}
	return cfg.emit(ctx, servers, cfg.Together, emit)
}

// fromServer is threat_source "mcp_server".
func fromServer(ctx context.Context, cfg serverConfig, emit func(row) error) error {
	timeout, err := time.ParseDuration(cfg.Timeout)
	if err != nil {
		return err
	}
	at := address{command: slices.Clone(cfg.Command), env: cfg.Env, url: cfg.URL, headers: cfg.Headers, hosted: true}
	for i, word := range at.command {
		for _, f := range cfg.Files {
			if word == f.Name {
				at.command[i] = filepath.FromSlash(f.Path)
			}
		}
	}
	l, err := list(ctx, at, timeout)
	if err != nil {
		return err
	}
	s := server{listing: l}
	digest, err := l.digest()
	if err != nil {
		return err
	}
	s.file = fmt.Sprintf("mcp:%s@%s", toolkitName(l.Server.Name), digest)
	return cfg.emit(ctx, []server{s}, false, emit)
}

// emit makes the rows and emits them.
func (s *selection) emit(ctx context.Context, servers []server, together bool, emit func(row) error) error {
	if err := s.prepare(servers); err != nil {
		return err
	}
	units := [][]server{servers}
	if !together {
		units = nil
		for i := range servers {
			units = append(units, servers[i:i+1])
		}
	}
	emitted := 0
	for _, unit := range units {
		rows, err := s.rows(unit)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if s.Limit != nil && emitted == *s.Limit {
				return nil
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := emit(r); err != nil {
				return err
			}
			emitted++
		}
	}
	return nil
}

// prepare names the toolkits and leaves the tools that are asked for.
func (s *selection) prepare(servers []server) error {
	met := map[string]bool{}
	taken := map[string]int{}
	left, all := 0, someNames(servers)
	for i := range servers {
		srv := &servers[i]
		var err error
		if srv.digest, err = srv.listing.digest(); err != nil {
			return err
		}
		name := s.Toolkit
		if name == "" {
			name = toolkitName(srv.Server.Name)
		}
		if taken[name]++; taken[name] > 1 {
			name = fmt.Sprintf("%s_%d", name, taken[name])
		}
		srv.toolkit = name
		srv.Tools = s.filter(srv.Tools, met)
		left += len(srv.Tools)
	}
	if all == "" {
		return errors.New("the server lists no tools")
	}
	for _, pattern := range s.Include {
		if !met[pattern] {
			return fmt.Errorf("include: no tool fits %q; the tools are %s", pattern, all)
		}
	}
	if left == 0 {
		return fmt.Errorf("include and exclude leave no tool of %s", all)
	}
	return nil
}

// someNames lists names of tools for a message.
func someNames(servers []server) string {
	var names []string
	for _, srv := range servers {
		for _, t := range srv.Tools {
			names = append(names, shown(t.Name))
		}
	}
	const most = 10
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// filter leaves the tools that include and exclude ask for; met takes the
// patterns that some tool fits.
func (s *selection) filter(tools []tool, met map[string]bool) []tool {
	fits := func(patterns []string, name string) bool {
		any := false
		for _, p := range patterns {
			if glob(p).MatchString(name) {
				met[p], any = true, true
			}
		}
		return any
	}
	return slices.DeleteFunc(slices.Clone(tools), func(t tool) bool {
		return len(s.Include) > 0 && !fits(s.Include, t.Name) || fits(s.Exclude, t.Name)
	})
}

// glob is a pattern in which * is any text and ? any character.
func glob(pattern string) *regexp.Regexp {
	return regexp.MustCompile(`(?s)^` + strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(pattern)) + `$`)
}

// member is a tool of a group.
type member struct {
	tool
	from *server
}

// rows makes the rows of servers whose tools go together.
func (s *selection) rows(servers []server) ([]row, error) {
	var members []member
	var keys []key
	for i := range servers {
		for _, t := range servers[i].Tools {
			members = append(members, member{t, &servers[i]})
			keys = append(keys, key{servers[i].toolkit, t.Name})
		}
	}
	names := fullNames(keys, func(k key) string {
		if s.Prefix != nil {
			return *s.Prefix
		}
		return k.toolkit + "_"
	})
	if len(slices.Compact(slices.Sorted(maps.Values(names)))) < len(keys) {
		return nil, errors.New("two tools come to the same name; set another prefix, or exclude one of them")
	}
	var out []row
	index := map[string]int64{}
	for _, group := range split(members, s.Group) {
		base := s.groupRow(group, names)
		outcomes := s.Outcomes
		if len(outcomes) == 0 {
			tools := make([]tool, len(group))
			for i, m := range group {
				tools[i] = m.tool
			}
			outcomes = outcomesOf(tools)
		}
		for _, id := range outcomes {
			r := base
			r.Outcome = id
			r.Origin.Index = index[r.Origin.File]
			index[r.Origin.File]++
			out = append(out, r)
		}
	}
	return out, nil
}

// split cuts a list into as few parts of at most size as it can, of nearly
// equal length.
func split(members []member, size int) [][]member {
	n := (len(members) + size - 1) / size
	var out [][]member
	for i := range n {
		out = append(out, members[i*len(members)/n:(i+1)*len(members)/n])
	}
	return out
}

// groupRow makes a group's row, but for the outcome.
func (s *selection) groupRow(group []member, names map[key]string) row {
	lead := group[0].from
	r := row{
		Domain: s.Domain,
		Origin: ots.Origin{Source: "mcp", File: lead.file},
		MCP:    facts{Servers: []serverFacts{}},
	}
	for _, m := range group {
		if !slices.Contains(r.Toolkits, m.from.toolkit) {
			r.Toolkits = append(r.Toolkits, m.from.toolkit)
			r.MCP.Servers = append(r.MCP.Servers, m.from.facts())
		}
		t, f := s.convert(m, names[key{m.from.toolkit, m.Name}])
		r.Tools = append(r.Tools, t)
		r.MCP.Tools = append(r.MCP.Tools, f)
	}
	return r
}

func (s *server) facts() serverFacts {
	name, _ := bounded(clean(s.Server.Name), 200)
	version, _ := bounded(clean(s.Server.Version), 100)
	return serverFacts{
		Toolkit: s.toolkit, Name: name, Version: version, Digest: s.digest,
		LeftOut: append([]string{}, s.leftOut[:min(len(s.leftOut), maxInWords)]...),
	}
}

// convert makes a tool of the catalogue's of a server's.
func (s *selection) convert(m member, name string) (ots.Tool, toolFacts) {
	schema, inWords := parameters(m.InputSchema)
	text, unseen := cleaned(m.Description)
	for _, other := range []string{m.Title, m.Annotations.title(), strings.Join(words(m.Name), " ")} {
		if text == "" {
			text = clean(other)
		}
	}
	text, cut := bounded(text, s.Describe)
	named := min(len(inWords), maxInWords)
	f := toolFacts{
		Name: name, Effect: effect(m.tool), Hints: m.Annotations.hints(), Shortened: cut, Unseen: unseen,
		InWords: append([]string{}, inWords[:named]...), InWordsMore: len(inWords) - named,
	}
	f.Tool, _ = bounded(m.Name, 200)
	return ots.Tool{
		Toolkit: m.from.toolkit, Name: name, Description: text, Parameters: schema, Returns: results(m.OutputSchema),
	}, f
}

func (a *annotations) title() string {
	if a == nil {
		return ""
	}
	return a.Title
}

// results gives the members of a tool's structured results.
func results(schema []byte) []ots.Field {
	converted, _ := parameters(schema)
	v, err := decode(converted)
	if err != nil || len(schema) == 0 {
		return nil
	}
	root, _ := v.(map[string]any)
	var out []ots.Field
	members := membersOf(root)
	for _, name := range slices.Sorted(maps.Keys(members)) {
		m, _ := members[name].(map[string]any)
		f := ots.Field{Name: name, Type: "object"}
		for _, t := range typesOf(m["type"]) {
			if t != "null" {
				f.Type, _ = t.(string)
				break
			}
		}
		f.Description, _ = m["description"].(string)
		out = append(out, f)
	}
	return out
}

// sorted are the keys of a map in order.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
