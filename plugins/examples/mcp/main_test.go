package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// TestMain lets the test binary be a server: "-server=KIND".
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if kind, ok := strings.CutPrefix(os.Args[1], "-server="); ok {
			serve(kind)
			return
		}
	}
	os.Exit(m.Run())
}

// command is a server of a kind, as a program.
func serverCommand(t testing.TB, kind string) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []string{self, "-server=" + kind}
}

// serve is a server over standard input and output.
func serve(kind string) {
	switch kind {
	case "good":
		_ = demoServer(3).Run(context.Background(), &mcp.StdioTransport{}) // until its input ends
	case "new": // greeted in the new way alone
		s := demoServer(3)
		s.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
			return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
				if method == "initialize" {
					return nil, &jsonrpc.Error{Code: jsonrpc.CodeMethodNotFound, Message: "greet me in the new way"}
				}
				return next(ctx, method, req)
			}
		})
		_ = s.Run(context.Background(), &mcp.StdioTransport{}) // until its input ends
	case "dies":
		fmt.Fprintln(os.Stderr, "no database at", os.Getenv("DATABASE"))
		os.Exit(7)
	case "silent":
		_, _ = io.Copy(io.Discard, os.Stdin)
	case "stubborn": // answers nothing, and ends for nothing but a kill
		signal.Ignore(syscall.SIGTERM, os.Interrupt)
		fmt.Fprintln(os.Stderr, "I stay")
		select {}
	case "garbage":
		fmt.Println("Welcome to the server!")
		_, _ = io.Copy(io.Discard, os.Stdin)
	case "flood":
		w := bufio.NewWriter(os.Stdout)
		for {
			if _, err := fmt.Fprintf(w, `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":%q}}`+"\n", strings.Repeat("x", 1<<16)); err != nil {
				return
			}
		}
	case "line":
		for {
			if _, err := os.Stdout.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	default:
		scripted(kind)
	}
}

// scripted answers by a script, as servers do that were not made with care.
func scripted(kind string) {
	page, greeted := 0, false
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var msg struct {
			ID     json.RawMessage `json:"id"`
			Method string          `json:"method"`
		}
		if json.Unmarshal(lines.Bytes(), &msg) != nil || msg.ID == nil {
			continue
		}
		result := ""
		if greeted = greeted || msg.Method == "initialize"; !greeted {
			os.Exit(2) // as servers do that know one greeting
		}
		switch msg.Method {
		case "initialize":
			version := "2025-06-18"
			if kind == "version" {
				version = "1999-12-31"
			}
			result = fmt.Sprintf(`{"protocolVersion":%q,"capabilities":{"tools":{}},"serverInfo":{"name":"scripted","version":"0"}}`, version)
		case "tools/list":
			page++
			result = scriptedTools(kind, page)
		}
		if result == "" {
			fmt.Printf(`{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no such method"}}`+"\n", msg.ID)
			continue
		}
		fmt.Printf(`{"jsonrpc":"2.0","id":%s,"result":%s}`+"\n", msg.ID, result)
	}
}

func scriptedTools(kind string, page int) string {
	one := func(name, more string) string {
		return fmt.Sprintf(`{"name":%q,"inputSchema":{"type":"object"}%s}`, name, more)
	}
	switch kind {
	case "circle":
		return `{"tools":[],"nextCursor":"again"}`
	case "endless":
		return fmt.Sprintf(`{"tools":[],"nextCursor":"page %d"}`, page)
	case "many":
		list := make([]string, 1000)
		for i := range list {
			list[i] = one(fmt.Sprintf("tool_%d_%d", page, i), "")
		}
		return fmt.Sprintf(`{"tools":[%s],"nextCursor":"page %d"}`, strings.Join(list, ","), page)
	case "giant":
		return fmt.Sprintf(`{"tools":[%s],"nextCursor":"page %d"}`, one(fmt.Sprint("t", page), `,"description":"`+strings.Repeat("x", 6<<20)+`"`), page)
	case "wrong":
		return `{"tools":"none"}`
	case "exits":
		os.Exit(9)
	case "odd":
		return `{"tools":[null,` + strings.Join([]string{
			one("zeta", ""), one("", ""), one("alpha", ""), one("alpha", ""), one("zeta", `,"description":"another"`),
			`{"name":"header","inputSchema":{"type":"object","properties":{"a":{"type":"array","x-mcp-header":"A"}}}}`,
		}, ",") + `]}`
	}
	return "" // refused
}

// demoServer is a sound server that lists so many tools at a time.
func demoServer(page int) *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "acme/shop", Version: "1.2.3"}, &mcp.ServerOptions{PageSize: page})
	no := false
	for _, t := range []*mcp.Tool{
		{Name: "orders.list", Description: "List the orders.", Annotations: &mcp.ToolAnnotations{ReadOnlyHint: true}},
		{Name: "orders.refund", Description: "Refund an order."},
		{Name: "orders/cancel", Description: "Cancel an order.", InputSchema: json.RawMessage(`{"type":"object","properties":{"order":{"type":"string"}},"required":["order"]}`)},
		{Name: "send-mail", Title: "Send a mail"},
		{Name: "stock_get", Annotations: &mcp.ToolAnnotations{ReadOnlyHint: true, DestructiveHint: &no}},
	} {
		if t.InputSchema == nil {
			t.InputSchema = json.RawMessage(`{"type":"object"}`)
		}
		s.AddTool(t, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			panic("a tool was called")
		})
	}
	return s
}

// demoHTTP serves demoServer, for those who show the token.
func demoHTTP(t testing.TB) *httptest.Server {
	t.Helper()
	server := demoServer(2)
	inner := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			http.Error(w, "wrong token: "+r.Header.Get("Authorization"), http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv
}

const token = "tok-6f1d9e"
