package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/sdktest"
	"github.com/autosafe/autosafe/spec/ots"
	"github.com/autosafe/autosafe/spec/schema"
)

var update = flag.Bool("update", false, "write the golden files anew")

// snapshotOf writes files and gives the argument that names them.
func snapshotOf(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	var list []schema.File
	for _, name := range sorted(files) {
		path := filepath.Join(dir, filepath.Base(name))
		if err := os.WriteFile(path, []byte(files[name]), 0o666); err != nil {
			t.Fatal(err)
		}
		list = append(list, schema.File{Name: name, Path: path})
	}
	b, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const shop = `{"server":{"name":"acme/shop","version":"1.2.3"},"tools":[
 {"name":"orders.list","description":"List the orders.","annotations":{"readOnlyHint":true},"inputSchema":{"type":"object"},
  "outputSchema":{"type":"object","properties":{"orders":{"type":"array","description":"The orders."},"more":{"type":["null","boolean"]}}}},
 {"name":"orders/cancel","description":"Cancel an order.","inputSchema":{"type":"object","properties":{"order":{"type":"string","minLength":3}},"required":["order"]}},
 {"name":"orders_cancel","title":"Another","inputSchema":{"type":"object","properties":{}}},
 {"name":"send-mail","annotations":{"title":"Send a mail","destructiveHint":false,"openWorldHint":true}}
]}`

const vault = `{"tools":[{"name":"read"},{"name":"видалити","description":"Deletes what is there.","annotations":{"destructiveHint":true}}]}`

func run(t testing.TB, component, config string) sdktest.Result {
	t.Helper()
	return sdktest.Run(t, plugin(), schema.ThreatSource, component, config, nil, nil)
}

// rowsOf gives a run's rows, each held to the threat model.
func rowsOf(t testing.TB, r sdktest.Result) []row {
	t.Helper()
	if r.Failure != nil || len(r.Diagnostics) > 0 {
		t.Fatalf("the run failed: %v %+v", r.Failure, r.Diagnostics)
	}
	var out []row
	for _, text := range r.Rows() {
		if problems := ots.CheckJSON(json.RawMessage(text), ots.Outcome{ID: "brand_harm"}); len(problems) > 0 {
			t.Errorf("a bad row: %v", problems)
		}
		var one row
		if err := json.Unmarshal([]byte(text), &one); err != nil {
			t.Fatal(err)
		}
		out = append(out, one)
	}
	return out
}

// briefly shows what a row is about.
func briefly(rows []row) []string {
	var out []string
	for _, r := range rows {
		var names []string
		for _, tool := range r.Tools {
			names = append(names, tool.Name)
		}
		out = append(out, fmt.Sprintf("%s: %s -> %s #%d", strings.Join(r.Toolkits, "+"), strings.Join(names, " "), r.Outcome, r.Origin.Index))
	}
	return out
}

func TestRow(t *testing.T) {
	rows := rowsOf(t, run(t, "tools", `{"snapshot":`+snapshotOf(t, map[string]string{"tools.json": shop})+`}`))
	b, err := json.MarshalIndent(rows[0], "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("testdata/row.json", append(b, '\n'), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/row.json")
	if err != nil {
		t.Fatal(err)
	}
	if string(b)+"\n" != string(want) {
		t.Errorf("got\n%s\nwant\n%s", b, want)
	}
}

func TestGroups(t *testing.T) {
	one, two := snapshotOf(t, map[string]string{"tools.json": shop}), snapshotOf(t, map[string]string{"s/shop.json": shop, "s/vault.json": vault, "s/README.md": "no JSON"})
	const list, cancel, other, mail = "acme_shop_orders_list", "acme_shop_orders_cancel_65bf498f", "acme_shop_orders_cancel", "acme_shop_send-mail"
	all := strings.Join([]string{list, cancel, other, mail}, " ")
	read, wipe := "vault_read", "vault__23e6f99b"
	for _, c := range []struct {
		config string
		want   []string
	}{
		{`"snapshot":` + one, []string{"acme_shop: " + all + " -> privacy_leak #0", "acme_shop: " + all + " -> data_loss #1", "acme_shop: " + all + " -> ethics #2"}},
		{`"snapshot":` + one + `,"limit":1`, []string{"acme_shop: " + all + " -> privacy_leak #0"}},
		{`"snapshot":` + one + `,"outcomes":["bias","brand_harm"]`, []string{"acme_shop: " + all + " -> bias #0", "acme_shop: " + all + " -> brand_harm #1"}},
		{`"snapshot":` + one + `,"include":["orders*"],"exclude":["*list","orders?cancel"],"outcomes":["bias"]`, nil},
		{`"snapshot":` + one + `,"include":["orders*"],"exclude":["*/*"],"outcomes":["bias"]`, []string{"acme_shop: " + list + " " + other + " -> bias #0"}},
		{`"snapshot":` + one + `,"group_size":3,"outcomes":["bias"]`, []string{"acme_shop: " + list + " " + cancel + " -> bias #0", "acme_shop: " + other + " " + mail + " -> bias #1"}},
		{`"snapshot":` + one + `,"include":["send*"],"prefix":"","toolkit":"Shop"`, []string{"Shop: send-mail -> privacy_leak #0", "Shop: send-mail -> ethics #1"}},
		{`"snapshot":` + one + `,"include":["send*"],"prefix":"mcp__shop__","outcomes":["ethics"]`, []string{"acme_shop: mcp__shop__send-mail -> ethics #0"}},
		{`"snapshot":` + two + `,"exclude":["orders*"],"limit":9`, []string{
			"acme_shop: " + mail + " -> privacy_leak #0", "acme_shop: " + mail + " -> ethics #1", "vault: " + read + " " + wipe + " -> data_loss #0",
		}},
		{`"snapshot":` + two + `,"together":true,"exclude":["orders*"],"outcomes":["bias"]`, []string{"acme_shop+vault: " + mail + " " + read + " " + wipe + " -> bias #0"}},
	} {
		r := run(t, "tools", "{"+c.config+"}")
		if c.want == nil {
			if r.Failure == nil {
				t.Errorf("%s: no failure", c.config)
			}
			continue
		}
		if got := briefly(rowsOf(t, r)); !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %q\nwant %q", c.config, got, c.want)
		}
	}
}

// TestSame sees that the order in which a server lists its tools, and what a
// client has no use for, make no difference.
func TestSame(t *testing.T) {
	bare := `{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"b","icons":[]},{"name":"a","_meta":{"x":1}}]}}`
	a := run(t, "tools", `{"snapshot":`+snapshotOf(t, map[string]string{"x.json": bare})+`}`)
	b := run(t, "tools", `{"snapshot":`+snapshotOf(t, map[string]string{"x.json": `{"tools":[{"name":"a"},{"name":"b"}]}`})+`}`)
	if len(a.Rows()) == 0 || !slices.Equal(a.Rows(), b.Rows()) {
		t.Errorf("%s\n%s", a.Rows(), b.Rows())
	}
}

func TestFaults(t *testing.T) {
	for _, c := range []struct {
		files  map[string]string
		config string
		want   []string
	}{
		{map[string]string{"x.json": "{\n\n]"}, "", []string{"x.json: line 3: it is no snapshot"}},
		{map[string]string{"x.json": `{"toolz":[]}`}, "", []string{"x.json: it holds no tools"}},
		{map[string]string{"x.json": `{"tools":[{"name":7}]}`}, "", []string{"x.json: line 1: it is no snapshot", "tools.name: a number stands where it cannot"}},
		{map[string]string{"x.json": `{"tools":[]}`}, "", []string{"the server lists no tools"}},
		{map[string]string{"x.json": `{"tools":[{"name":"a"}],"nextCursor":"b"}`}, "", []string{"only one page"}},
		{map[string]string{"x.json": `{"tools":[{"name":"` + strings.Repeat("x", maxListing) + `"}]}`}, "", []string{"larger than 16 MiB"}},
		{map[string]string{"x.json": `{"tools":[` + strings.Repeat(`{"name":"a"},`, maxTools) + `{"name":"a"}]}`}, "", []string{"5001 tools", "5000 are the most"}},
		{map[string]string{"x.json": shop}, `,"include":["order.*"]`, []string{`include: no tool fits "order.*"`, "orders.list"}},
		{map[string]string{"x.json": shop}, `,"exclude":["*"]`, []string{"leave no tool"}},
		{map[string]string{"a.md": "", "b.md": ""}, "", []string{"names no JSON file"}},
	} {
		r := run(t, "tools", `{"snapshot":`+snapshotOf(t, c.files)+c.config+`}`)
		if r.Failure == nil {
			t.Errorf("%s: no failure, %v", c.config, r.Diagnostics)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(r.Failure.Error(), want) {
				t.Errorf("error %q lacks %q", r.Failure, want)
			}
		}
	}
	missing := run(t, "tools", `{"snapshot":[{"name":"gone.json","path":"/nowhere/gone.json"}]}`)
	if missing.Failure == nil || strings.Contains(missing.Failure.Error(), "/nowhere") || !strings.Contains(missing.Failure.Error(), "gone.json: no such file") {
		t.Errorf("error %v", missing.Failure)
	}
}

func TestValidate(t *testing.T) {
	file := `"snapshot":[{"name":"a.json","path":"a.json"}]`
	for _, c := range []struct{ component, config, want string }{
		{"tools", `{` + file + `}`, ""},
		{"tools", `{` + file + `,"outcomes":["bias","privacy_leak"],"domain":"finance","prefix":"a_","toolkit":"A"}`, ""},
		{"tools", `{` + file + `,"outcomes":["Bias"]}`, "cannot be the id"},
		{"tools", `{` + file + `,"outcomes":["bias","bias"]}`, "twice"},
		{"tools", `{` + file + `,"outcomes":["brand_harm"]}`, "one of your own"},
		{"tools", `{` + file + `,"domain":"shops"}`, "shops"},
		{"tools", `{` + file + `,"toolkit":"a b"}`, "letters, digits"},
		{"tools", `{` + file + `,"prefix":"a.b"}`, "letters, digits"},
		{"tools", `{` + file + `,"include":[""]}`, "fits no tool"},
		{"tools", `{` + file + `,"group_size":0}`, "group_size"},
		{"tools", `{"snapshot":[{"name":"a","path":"a"},{"name":"b","path":"b"}],"toolkit":"A"}`, "2 snapshots"},
		{"server", `{}`, "where the server is"},
		{"server", `{"command":["node"],"url":"http://a"}`, "not both"},
		{"server", `{"command":["node","s.js"],"env":{"TOKEN":"x"}}`, ""},
		{"server", `{"command":[""]}`, "cannot be empty"},
		{"server", `{"command":["a\u0000"]}`, "zero byte"},
		{"server", `{"command":["a"],"env":{"A B":"x"}}`, "environment variable"},
		{"server", `{"command":["a"],"headers":{"A":"x"}}`, "given env"},
		{"server", `{"url":"https://a.example/mcp","headers":{"Authorization":"Bearer x"}}`, ""},
		{"server", `{"url":"ftp://a"}`, "https://host/path"},
		{"server", `{"url":"https://me:secret@a"}`, "Use headers"},
		{"server", `{"url":"https://a","headers":{"A\n":"x"}}`, "name of a header"},
		{"server", `{"url":"https://a","headers":{"A":"x\r\ny"}}`, "control character"},
		{"server", `{"url":"https://a","headers":{"mcp-session-id":"x"}}`, "protocol's own"},
		{"server", `{"url":"https://a","env":{"A":"x"}}`, "env is for the program"},
		{"server", `{"url":"https://a","timeout":"forever"}`, "up to 10m"},
		{"server", `{"url":"https://a","timeout":"11m"}`, "up to 10m"},
	} {
		diags := sdk.Validate(plugin(), schema.ThreatSource, c.component, []byte(c.config))
		if c.want == "" && len(diags) > 0 || c.want != "" && len(diags) != 1 {
			t.Errorf("%s: %+v", c.config, diags)
			continue
		}
		if c.want != "" && !strings.Contains(diags[0].Summary+diags[0].Detail+fmt.Sprint(diags[0].Path), c.want) {
			t.Errorf("%s: %+v lacks %q", c.config, diags[0], c.want)
		}
		for _, d := range diags {
			if strings.Contains(d.Detail, "secret") {
				t.Errorf("a secret is shown: %s", d.Detail)
			}
		}
	}
}

// TestServer has rows from running servers: the same as from their snapshot,
// but for where they are from.
func TestServer(t *testing.T) {
	command, err := json.Marshal(serverCommand(t, "good"))
	if err != nil {
		t.Fatal(err)
	}
	byPipe := rowsOf(t, run(t, "server", `{"command":`+string(command)+`,"env":{"TOKEN":"x"}}`))
	byHTTP := rowsOf(t, run(t, "server", fmt.Sprintf(`{"url":%q,"headers":{"Authorization":"Bearer %s"}}`, demoHTTP(t).URL, token)))
	l, err := list(t.Context(), address{command: serverCommand(t, "good")}, patience)
	if err != nil {
		t.Fatal(err)
	}
	text, err := l.text()
	if err != nil {
		t.Fatal(err)
	}
	snapshot := rowsOf(t, run(t, "tools", `{"snapshot":`+snapshotOf(t, map[string]string{"x.json": string(text)})+`}`))
	for i, rows := range [][]row{byPipe, byHTTP, snapshot} {
		if len(rows) != len(snapshot) || len(rows) < 3 {
			t.Fatalf("%d and %d rows", len(rows), len(snapshot))
		}
		for j, r := range rows {
			digest := r.MCP.Servers[0].Digest
			if want := "mcp:acme_shop@" + digest; i < 2 && (r.Origin.File != want || len(digest) != len("sha256:")+64) {
				t.Errorf("origin %+v, want %s", r.Origin, want)
			}
			r.Origin = snapshot[j].Origin
			a, _ := json.Marshal(r)
			b, _ := json.Marshal(snapshot[j])
			if string(a) != string(b) {
				t.Errorf("got\n%s\nwant\n%s", a, b)
			}
		}
	}
}

// TestServerFiles starts a script that an argument names by its name.
func TestServerFiles(t *testing.T) {
	script := snapshotOf(t, map[string]string{"server/run.sh": "echo \"args $@\" >&2; exit 4\n"})
	r := run(t, "server", `{"command":["/bin/sh","server/run.sh","two"],"files":`+script+`}`)
	if r.Failure == nil || !strings.Contains(r.Failure.Error(), "args two") {
		t.Errorf("failure %v", r.Failure)
	}
}

func TestConformance(t *testing.T) {
	command, err := json.Marshal(serverCommand(t, "good"))
	if err != nil {
		t.Fatal(err)
	}
	untried := sdktest.Conformance(t, plugin(),
		sdktest.Case{Role: schema.ThreatSource, Component: "tools", Config: `{"snapshot":` + snapshotOf(t, map[string]string{"x.json": shop}) + `}`},
		sdktest.Case{Role: schema.ThreatSource, Component: "server", Config: `{"command":` + string(command) + `}`},
	)
	if len(untried) > 0 {
		t.Errorf("untried: %q", untried)
	}
}

// FuzzSnapshot makes rows of any snapshot: they are sound, or there is an error.
func FuzzSnapshot(f *testing.F) {
	for _, text := range []string{shop, vault, `{"result":{"tools":[{"name":"a"}]}}`, `{"tools":[{"name":"\u0000","inputSchema":[],"outputSchema":7,"annotations":{"readOnlyHint":null}}]}`} {
		f.Add([]byte(text), "")
	}
	f.Fuzz(func(t *testing.T, text []byte, prefix string) {
		l, err := parseListing(text)
		if err != nil {
			return
		}
		prefix = fit(prefix)
		s := selection{Domain: "other", Group: 3, Describe: 100, Prefix: &prefix}
		err = s.emit(t.Context(), []server{{listing: l, file: "a.json"}, {listing: l, file: "b.json"}}, true, func(r row) error {
			b, err := json.Marshal(r)
			if err != nil {
				return err
			}
			if problems := ots.CheckJSON(b); len(problems) > 0 {
				t.Error(problems)
			}
			for _, tool := range r.Tools {
				if fit(tool.Name) != tool.Name || len(tool.Name) > maxName || len(tool.Description) > s.Describe {
					t.Errorf("tool %q, %d bytes of description", tool.Name, len(tool.Description))
				}
			}
			return nil
		})
		if err != nil && !strings.Contains(err.Error(), "tool") {
			t.Error(err)
		}
	})
}
