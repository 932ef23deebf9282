package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// address is where a server is: a program, or a URL.
type address struct {
	command []string
	env     map[string]string // for the program
	url     string
	headers map[string]string

	// hosted says that autosafe started this process. Its environment is bare
	// then, and what it leaves behind is ended with it. Else a person did.
	hosted bool
}

// secrets are the values that must not be shown.
func (a address) secrets() []string {
	var out []string
	for _, m := range []map[string]string{a.env, a.headers} {
		for _, v := range m {
			out = append(out, v)
			if _, token, ok := strings.Cut(v, " "); ok { // Bearer TOKEN
				out = append(out, token)
			}
		}
	}
	// Longer ones first: one may be a part of another.
	slices.SortFunc(out, func(a, b string) int { return len(b) - len(a) })
	return out
}

// maxPages bounds how often a server is asked for more.
const maxPages = 1000

// greeting is the version of the protocol by which servers are greeted first:
// the last one that begins with "initialize", as all before it. Servers of that
// age may end, or say nothing, when they are greeted in the newer way; newer
// ones refuse the old way in words.
const greeting = "2025-11-25"

// list asks a server for all its tools.
func list(ctx context.Context, at address, timeout time.Duration) (listing, error) {
	begun, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	l, why := attempt(begun, at, greeting)
	var refused *jsonrpc.Error
	if why != nil && why.doing == connecting && errors.As(why.err, &refused) {
		if newer, again := attempt(begun, at, ""); again == nil {
			l, why = newer, nil
		}
	}
	switch {
	case why == nil:
		l.tidy()
		return l, nil
	case ctx.Err() != nil:
		return listing{}, ctx.Err()
	case why.doing == "":
		return listing{}, errors.New(shownError(why.err, at))
	case begun.Err() != nil:
		why.died.state = "" // it was ended
		return listing{}, fmt.Errorf("the server did not answer within %s, %s; a longer timeout may help%s", timeout, why.doing, why.died.text(at))
	}
	return listing{}, fmt.Errorf("%s: %s%s%s", why.doing, shownError(explained(why.err), at), why.died.text(at), toGrant(why, at))
}

// failure is why an attempt came to nothing.
type failure struct {
	doing string // what came to nothing; empty where err needs no more words
	err   error
	died  ending
}

const (
	starting   = "the server cannot be started"
	connecting = "while connecting to it"
	asking     = "while listing its tools"
)

// attempt asks a server that is greeted in some version of the protocol; "" is
// the newest.
func attempt(ctx context.Context, at address, version string) (listing, *failure) {
	conn, err := open(at)
	if err != nil {
		return listing{}, &failure{doing: starting, err: err}
	}
	// At the deadline the server is ended, whatever is waited for.
	stop := context.AfterFunc(ctx, func() { conn.close() })
	l, doing, err := ask(ctx, conn.transport, version)
	stop()
	died := conn.close()
	if err != nil {
		return listing{}, &failure{doing, err, died}
	}
	return l, nil
}

// toGrant says what the recipe may have to grant, where autosafe contains the
// plugin and the error is of a kind that comes of it.
func toGrant(why *failure, at address) string {
	text := why.err.Error()
	u, badURL := url.Parse(at.url)
	switch {
	case !at.hosted:
	case at.url != "" && badURL == nil && (strings.Contains(text, "not permitted") || strings.Contains(text, "unreachable") || strings.Contains(text, "Forbidden")):
		port := cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
		return fmt.Sprintf(". A plugin reaches only what its recipe grants: network = [%q]", net.JoinHostPort(u.Hostname(), port))
	case at.url == "" && why.died.state != "":
		return ". A plugin, and what it starts, reads only what its recipe grants, beside the system's folders: read = [\"FOLDER\"]"
	}
	return ""
}

// ask speaks to a server. doing says at what an error came; it is empty for
// errors that need no more words.
func ask(ctx context.Context, transport mcp.Transport, protocol string) (l listing, doing string, err error) {
	// A client without capabilities: the server can ask nothing of it, and
	// lists the same tools to everybody.
	client := mcp.NewClient(&mcp.Implementation{Name: "autosafe-plugin-mcp", Version: version},
		&mcp.ClientOptions{Capabilities: &mcp.ClientCapabilities{}, Logger: slog.New(slog.DiscardHandler)})
	offered := countTools(client)
	session, err := client.Connect(ctx, transport, &mcp.ClientSessionOptions{ProtocolVersion: protocol})
	if err != nil {
		return l, connecting, err
	}
	defer closeSession(session)
	if r := session.InitializeResult(); r != nil && r.ServerInfo != nil {
		l.Server.Name, l.Server.Version = r.ServerInfo.Name, r.ServerInfo.Version
	}
	seen := map[string]bool{}
	size, cursor := 0, ""
	for page := 1; ; page++ {
		if page > maxPages {
			return l, "", fmt.Errorf("the server's list of tools does not end: %d pages were read", maxPages)
		}
		got, err := session.ListTools(ctx, &mcp.ListToolsParams{Cursor: cursor})
		if err != nil {
			return l, asking, err
		}
		for _, t := range got.Tools {
			b, err := json.Marshal(t)
			if err != nil {
				return l, asking, err
			}
			if size += len(b); size > maxListing {
				return l, "", fmt.Errorf("the server's list of tools is larger than %d MiB", maxListing>>20)
			}
			var own tool
			if err := json.Unmarshal(b, &own); err != nil {
				return l, asking, err
			}
			l.Tools = append(l.Tools, own)
		}
		if len(l.Tools) > maxTools {
			return l, "", fmt.Errorf("the server lists more than %d tools", maxTools)
		}
		if got.NextCursor == "" {
			break
		}
		if seen[got.NextCursor] {
			return l, "", fmt.Errorf("the server's list of tools goes round in a circle: it gave the cursor %s twice", shown(got.NextCursor))
		}
		cursor = got.NextCursor
		seen[cursor] = true
	}
	if lost := *offered - len(l.Tools); lost > 0 {
		l.leftOut = append(l.leftOut, fmt.Sprintf("%d tools: their definitions are invalid", lost))
	}
	return l, "", nil
}

// closeSession takes leave of a server, but does not wait for one that does not
// answer.
func closeSession(session *mcp.ClientSession) {
	closed := make(chan struct{})
	go func() {
		_ = session.Close() // what was asked for is there, or failed
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(grace):
	}
}

// countTools counts the tools that a server offers, before the library leaves
// those out whose definitions it finds invalid.
func countTools(client *mcp.Client) *int {
	n := new(int)
	client.AddSendingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			res, err := next(ctx, method, req)
			if r, ok := res.(*mcp.ListToolsResult); ok && r != nil && err == nil {
				*n += len(r.Tools)
			}
			return res, err
		}
	})
	return n
}

// explained adds what to do to errors that are often met.
func explained(err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "unsupported protocol version"):
		return fmt.Errorf("%w; this plugin speaks the versions %s", err, strings.Join(mcp.SupportedProtocolVersions(), ", "))
	case errors.Is(err, exec.ErrNotFound):
		return fmt.Errorf("%w; give the whole path of the program", err)
	}
	return err
}

// shownError is an error's text without secrets and control characters, short.
func shownError(err error, at address) string {
	s, _ := bounded(clean(hidden(err.Error(), at.secrets())), 1500)
	return s
}

// text says how the server's program ended and what it said last.
func (e ending) text(at address) string {
	var out string
	if e.state != "" {
		out = ". Its process: " + e.state
	}
	if words, _ := bounded(clean(hidden(e.words, at.secrets())), 1500); words != "" {
		out += ". Its last words: " + words
	}
	return out
}
