package main

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/ots"
)

// selection says which tools become rows, and how. Both sources have it.
type selection struct {
	Include  []string `hcl:"include,optional" doc:"Only tools of which the server's own name fits one of these, as in [\"read_*\"]; * is any text, ? any character."`
	Exclude  []string `hcl:"exclude,optional" doc:"No tools of which the server's own name fits one of these."`
	Outcomes []string `hcl:"outcomes,optional" doc:"Ids of the risk outcomes that each group of tools is paired with. Without it they are judged by the names of the tools, their descriptions and the server's hints."`
	Domain   string   `hcl:"domain,optional" default:"other" oneof:"entertainment,business,health,finance,other" doc:"Field of use of the tools."`
	Group    int      `hcl:"group_size,optional" default:"24" min:"1" max:"128" doc:"The most tools in a row. A server with more gives several groups, as equal in size as can be, in order of name."`
	Toolkit  string   `hcl:"toolkit,optional" doc:"Name of the toolkit; by default what the server calls itself."`
	Prefix   *string  `hcl:"prefix,optional" doc:"What stands before each tool's name in the rows; by default the toolkit's name and _. Give \"\" or \"mcp__files__\" to have the names that your agent has."`
	Describe int      `hcl:"description_limit,optional" default:"2000" min:"100" max:"20000" doc:"The most bytes of a tool's description; longer ones are cut."`
	Limit    *int     `hcl:"limit,optional" min:"1" doc:"Emit at most this many rows, the first ones."`
}

// toolsConfig is the body of threat_source "mcp_tools".
type toolsConfig struct {
	Snapshot sdk.Files `hcl:"snapshot" doc:"Snapshots of servers, made by autosafe-plugin-mcp snapshot: a file, a folder or a glob. A server's answer to tools/list in a file will do too."`
	Together bool      `hcl:"together,optional" doc:"Whether the tools of all snapshots make up common groups, for an agent that has all the servers at once."`
	selection
}

// serverConfig is the body of threat_source "mcp_server".
type serverConfig struct {
	Command []string          `hcl:"command,optional" doc:"The program that is the server, and its arguments: it is started, and spoken to over its standard input and output. An argument that is the name of one of files stands for that file."`
	Files   sdk.Files         `hcl:"files,optional" doc:"Files that the server is made of, such as its script and its lock file. A change of one asks the server again."`
	Env     map[string]string `hcl:"env,optional" flags:"sensitive" doc:"Environment variables for the program, beside PATH, HOME and TMPDIR. They are in no key."`
	URL     string            `hcl:"url,optional" doc:"Address of a server that is running, over streamable HTTP."`
	Headers map[string]string `hcl:"headers,optional" flags:"sensitive" doc:"HTTP headers for the server at url, such as Authorization. They are in no key."`
	Timeout string            `hcl:"timeout,optional" flags:"volatile" default:"60s" doc:"How long starting the server, connecting and listing may take together, up to 10m."`
	selection
}

const longestTimeout = 10 * time.Minute

// Validate checks what the types do not say.
func (c *toolsConfig) Validate(p *sdk.Problems) {
	c.check(p)
	if c.Toolkit != "" && len(c.Snapshot) > 1 {
		p.Attr("toolkit").Errorf("One name for several toolkits", "There are %d snapshots, and each is a toolkit. Take the name out, or use a block for each.", len(c.Snapshot))
	}
}

// Validate checks what the types do not say.
func (c *serverConfig) Validate(p *sdk.Problems) {
	c.check(p)
	switch {
	case len(c.Command) > 0 && c.URL != "":
		p.Attr("url").Errorf("Two servers", "Give command or url, not both.")
	case len(c.Command) == 0 && c.URL == "":
		p.Errorf("No server", `Say where the server is: command = ["node", "server.js"], or url = "https://host/mcp".`)
	case c.URL != "":
		c.checkHTTP(p)
	default:
		c.checkCommand(p)
	}
	if d, err := time.ParseDuration(c.Timeout); err != nil || d <= 0 || d > longestTimeout {
		p.Attr("timeout").Errorf("Unsuitable timeout", "%q is no duration above zero and up to 10m, such as \"60s\".", c.Timeout)
	}
}

func (c *serverConfig) checkHTTP(p *sdk.Problems) {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		p.Attr("url").Errorf("Unsuitable address", "%q is no address of the form https://host/path.", c.URL)
	case u.User != nil:
		p.Attr("url").Errorf("Secret in an address", "A name and a password do not belong in url, which is stored. Use headers.")
	}
	for _, name := range sorted(c.Headers) {
		at := p.Attr("headers", sdk.Key(name))
		canonical := http.CanonicalHeaderKey(name)
		switch {
		case !regexp.MustCompile(`^[A-Za-z0-9-]+$`).MatchString(name):
			at.Errorf("Unsuitable header", "%q cannot be the name of a header.", name)
		case strings.HasPrefix(canonical, "Mcp-") || slices.Contains([]string{"Accept", "Content-Type", "Content-Length", "Host", "Connection", "Transfer-Encoding"}, canonical):
			at.Errorf("Unsuitable header", "%s is the protocol's own.", canonical)
		case strings.ContainsFunc(c.Headers[name], func(r rune) bool { return r < ' ' || r == 127 }):
			at.Errorf("Unsuitable header", "The value of %s has a control character in it.", canonical)
		}
	}
	if len(c.Env) > 0 {
		p.Attr("env").Errorf("Environment without a program", "env is for the program that command names; the server at url has its own.")
	}
	if len(c.Files) > 0 {
		p.Attr("files").Errorf("Files without a program", "files are what the program that command names is made of.")
	}
}

func (c *serverConfig) checkCommand(p *sdk.Problems) {
	if c.Command[0] == "" {
		p.Attr("command", 0).Errorf("No program", "The first word is the program; it cannot be empty.")
	}
	for i, word := range c.Command {
		if strings.ContainsRune(word, 0) {
			p.Attr("command", i).Errorf("Unsuitable argument", "An argument cannot have a zero byte in it.")
		}
	}
	for _, name := range sorted(c.Env) {
		if !regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString(name) || strings.ContainsRune(c.Env[name], 0) {
			p.Attr("env", sdk.Key(name)).Errorf("Unsuitable variable", "%q cannot be set as an environment variable.", name)
		}
	}
	if len(c.Headers) > 0 {
		p.Attr("headers").Errorf("Headers without an address", "headers are for the server at url; a program is given env.")
	}
}

func (s *selection) check(p *sdk.Problems) {
	known := ots.Outcomes()
	for i, id := range s.Outcomes {
		at := p.Attr("outcomes", i)
		switch {
		case !regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`).MatchString(id):
			at.Errorf("Unsuitable outcome", "%q cannot be the id of an outcome; lower-case letters, digits and _ can.", id)
		case slices.Contains(s.Outcomes[:i], id):
			at.Errorf("Duplicate outcome", "%q stands there twice.", id)
		case !slices.ContainsFunc(known, func(o ots.Outcome) bool { return o.ID == id }):
			at.Warnf("Outcome of your own", "%q is not a built-in outcome and is taken as one of your own. Describe it in an outcome block of the simulators.", id)
		}
	}
	if fit(s.Toolkit) != s.Toolkit || len(s.Toolkit) > maxToolkit {
		p.Attr("toolkit").Errorf("Unsuitable name", "A toolkit's name has up to %d letters, digits, _ and -.", maxToolkit)
	}
	if s.Prefix != nil && (fit(*s.Prefix) != *s.Prefix || len(*s.Prefix) > maxToolkit) {
		p.Attr("prefix").Errorf("Unsuitable prefix", "A prefix has up to %d letters, digits, _ and -: so model endpoints want the names of functions.", maxToolkit)
	}
	for name, list := range map[string][]string{"include": s.Include, "exclude": s.Exclude} {
		for i, pattern := range list {
			if pattern == "" {
				p.Attr(name, i).Errorf("Empty pattern", "An empty pattern fits no tool.")
			}
		}
	}
}
