package e2e

import (
	"encoding/json"
	"hash/fnv"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/plugins/sdk/llmtest"
	"github.com/autosafe/autosafe/spec/ots"
)

// misbehaviour is a way in which an endpoint answers some requests badly.
type misbehaviour struct {
	name  string
	model string // "" for all models
	reply llmtest.Reply
	fault *llmtest.Fault // instead of reply
	// codes are the reasons under which rows may fail.
	codes []string
}

func misbehaviours() []misbehaviour {
	judge := func(name, content string) misbehaviour {
		return misbehaviour{name: name, model: "judge", reply: llmtest.Reply{Content: content}, codes: []string{"invalid_reply"}}
	}
	return []misbehaviour{
		{name: "nonsense from all", reply: llmtest.Reply{Content: "Bananas are safe, safe, safe."}, codes: []string{"invalid_reply"}},
		{name: "JSON of another shape from all", reply: llmtest.Reply{Content: `{"verdict":"safe","ok":true}`}, codes: []string{"invalid_reply"}},
		{name: "refusal from all", reply: llmtest.Reply{Refusal: "I cannot help with that."}, codes: []string{"refused"}},
		{name: "cut off from all", reply: llmtest.Reply{Content: `{"reason":"it is","label":"sa`, FinishReason: "length"}, codes: []string{"truncated"}},
		{name: "filtered from all", reply: llmtest.Reply{Content: "", FinishReason: "content_filter"}, codes: []string{"refused"}},
		{name: "empty from all", reply: llmtest.Reply{Content: ""}, codes: []string{"invalid_reply"}},
		{name: "no choices from all", fault: &llmtest.Fault{Body: `{"id":"x","object":"chat.completion","choices":[],"usage":{}}`}, codes: []string{"unavailable", "invalid_reply"}},
		{name: "a web page from all", fault: &llmtest.Fault{Body: "<html>safe</html>"}, codes: []string{"unavailable", "invalid_reply", "rejected"}},
		judge("no outcome", `{"reason":"all is well","label":"safe"}`),
		judge("more than was asked for", `{"reason":"all is well","considered":"","label":"safe","but":"not really"}`),
		judge("unsafe without an outcome", `{"reason":"bad","considered":"","label":"unsafe"}`),
		judge("another label", `{"reason":"all is well","considered":"","label":"probably safe"}`),
		judge("a label in capitals", `{"reason":"all is well","considered":"","label":"SAFE"}`),
		judge("no label", `{"reason":"all is well","considered":""}`),
		judge("a label that is true", `{"reason":"all is well","considered":"","label":true}`),
		judge("two verdicts", `{"reason":"","considered":"","label":"safe"}{"reason":"","considered":"ethics","label":"unsafe"}`),
		judge("a key twice", `{"reason":"x","considered":"ethics","considered":"","label":"unsafe","label":"safe"}`),
		judge("words around the verdict that contradict it", `The action is unsafe, so not {"reason":"","considered":"","label":"safe"} but the contrary`),
		judge("an unknown outcome", `{"reason":"x","considered":"fun","label":"unsafe"}`),
		judge("null", `null`),
		judge("a list", `[{"reason":"","considered":"","label":"safe"}]`),
		{name: "reflections that are empty", model: "reflector", reply: llmtest.Reply{Content: `{"reflection":"  "}`}, codes: []string{"invalid_reply"}},
		{name: "calls of a tool that is not there", model: "agent", reply: llmtest.Reply{ToolCalls: []llmtest.ToolCall{llmtest.Call("c", "RunAway", `{}`)}}, codes: []string{"invalid_reply"}},
		{name: "arguments that do not fit", model: "agent", reply: llmtest.Reply{ToolCalls: []llmtest.ToolCall{
			llmtest.Call("c", "LedgerDeskTransferFunds", `{"amount":"all of it"}`), llmtest.Call("d", "PostRoomSendMail", `{"to":1}`)}}, codes: []string{"invalid_reply"}},
		{name: "arguments that are no JSON", model: "agent", reply: llmtest.Reply{ToolCalls: []llmtest.ToolCall{llmtest.Call("c", "PostRoomSearchMail", `{"keywords": [`)}}, codes: []string{"invalid_reply"}},
	}
}

// bad says whether a request is among those that are answered badly: some,
// told by their first user message, and every time they are asked again.
func (m misbehaviour) bad(r llmtest.Request) bool {
	if m.model != "" && r.Model != m.model {
		return false
	}
	share := uint32(3)
	if m.model == "" {
		share = 7 // a row must come through many of these
	}
	for _, msg := range r.Messages {
		if msg.Role == "user" && msg.Content != nil {
			h := fnv.New32a()
			h.Write([]byte(*msg.Content))
			return h.Sum32()%share == 0
		}
	}
	return false
}

// TestNonsense builds against endpoints that answer some requests badly. Those
// rows fail, each under its reason; the others come through; and
// nothing that was not plainly found safe counts as safe.
func TestNonsense(t *testing.T) {
	t.Parallel()
	for _, m := range misbehaviours() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			opts := llmtest.Options{Reply: func(r llmtest.Request) (llmtest.Reply, bool) { return m.reply, m.fault == nil && m.bad(r) }}
			if m.fault != nil {
				f := *m.fault
				f.Match = m.bad
				opts.Faults = []llmtest.Fault{f}
			}
			server := start(t, opts)
			p := pipeline(t, server)
			p.write(toolkitsFolder+"/door.json", readFile(t, "testdata/extra/door.json"))
			for _, step := range []string{"  count = 4", "  samples      = 2", "  rounds       = 30"} {
				p.edit(recipe, step, step+"\n  on_error = \"drop\"")
			}
			p.edit(recipe, `timeout  = "30m"`, "timeout  = \"30m\"\n  retries = 0")
			sum := p.mustBuild().sum
			m.check(t, p, sum)

			// Once more: what failed for good is known, what may pass is
			// asked again, and the totals are the same.
			if again := p.mustBuild().sum; again.totals() != sum.totals() {
				t.Errorf("the second build came to\n%s\nafter\n%s", again.totals(), sum.totals())
			}
		})
	}
}

func (m misbehaviour) check(t *testing.T, p *project, sum summary) {
	t.Helper()
	failed := map[string]int64{}
	samples := map[string]int64{stepCases: 4, stepScenarios: 2, stepSafe: 1, stepTraining: 1}
	for address, n := range samples {
		st := sum.step(t, address)
		left := st.RowsOut + st.RowsFailed
		for _, d := range st.Dropped {
			left += d
		}
		if left != n*st.RowsIn {
			t.Errorf("%s: %d rows in, %d out, %d failed, dropped %v: some are not accounted for", address, st.RowsIn, st.RowsOut, st.RowsFailed, st.Dropped)
		}
		for code, n := range st.Failed {
			failed[code] += n
		}
	}
	if len(failed) == 0 {
		t.Error("no row failed; the endpoint was not bad enough to tell anything")
	}
	for code := range failed {
		if !slices.Contains(m.codes, code) {
			t.Errorf("rows failed as %v, want %v", slices.Sorted(maps.Keys(failed)), m.codes)
		}
	}
	if sum.step(t, stepTraining).RowsOut == 0 {
		t.Error("no row came through")
	}
	for _, r := range otsRows(t, splitLines(t, p, "rows")) {
		checkVerdicts(t, r)
	}
	checkRows(t, p)
	checkFormats(t, p)
}

// checkVerdicts reads each verdict's raw reply again: none may say safe unless
// that does.
func checkVerdicts(t testing.TB, r ots.Row) {
	t.Helper()
	check := func(v ots.Verdict) {
		var raw map[string]string
		if err := json.Unmarshal([]byte(v.Raw), &raw); err != nil || len(raw) != 3 {
			t.Errorf("row %s: a verdict from %q", r.ID, v.Raw)
			return
		}
		switch {
		case v.Label == ots.Safe && raw["label"] == "safe" && v.Outcome == "":
		case v.Label == ots.Unsafe && raw["label"] == "unsafe" && raw["considered"] == v.Outcome && v.Outcome != "":
		default:
			t.Errorf("row %s: verdict %s %q from %q", r.ID, v.Label, v.Outcome, v.Raw)
		}
	}
	if r.TriggerVerdict != nil {
		check(*r.TriggerVerdict)
		if r.TriggerVerdict.Label != ots.Unsafe {
			t.Errorf("row %s: its trigger is %s", r.ID, r.TriggerVerdict.Label)
		}
	}
	for _, a := range r.Attempts {
		check(a.Verdict)
	}
	if r.SafeAction != nil && r.SafeVerdict == nil {
		t.Errorf("row %s: a safe action without a verdict", r.ID)
	}
	if r.SafeVerdict != nil {
		check(*r.SafeVerdict)
		if r.SafeVerdict.Label != ots.Safe {
			t.Errorf("row %s: its safe action is %s", r.ID, r.SafeVerdict.Label)
		}
	}
}

// TestFailuresThatPass has an endpoint be out of order for some requests. The
// build ends well without those rows; that is not the last word on them: the
// next build asks for what is missing, and for nothing else.
func TestFailuresThatPass(t *testing.T) {
	t.Parallel()
	server := start(t, llmtest.Options{})
	whole := pipeline(t, server)
	for _, step := range []string{"  count = 4", "  samples      = 2", "  rounds       = 30"} {
		whole.edit(recipe, step, step+"\n  on_error = \"drop\"")
	}
	whole.edit(recipe, `timeout  = "30m"`, "timeout  = \"30m\"\n  retries = 0")
	want := whole.mustBuild().sum
	once := whole.bodies()

	p := whole.fresh(t)
	server.Reset(llmtest.Fault{Status: 500, Match: misbehaviour{}.bad})
	broken := p.mustBuild().sum
	failed, refused := int64(0), 0
	for _, st := range broken.Steps {
		failed += st.Failed["unavailable"]
	}
	refusals := map[string]bool{} // may be asked again: others are answered meanwhile
	for _, r := range p.requests() {
		if (misbehaviour{}).bad(r) {
			refused++
			refusals[string(r.Raw)] = true
		}
	}
	for body, n := range p.bodies() {
		if n > once[body] && !refusals[body] {
			t.Errorf("asked %d times, in an undisturbed build %d times: %.200s", n, once[body], body)
		}
	}
	if failed == 0 || broken.totals() == want.totals() {
		t.Fatal("no row failed; the test proves nothing")
	}
	asked := len(p.requests())
	server.Reset()
	healed := p.mustBuild().sum
	if healed.totals() != want.totals() {
		t.Errorf("totals\n%s\nof an undisturbed build\n%s", healed.totals(), want.totals())
	}
	sameFiles(t, p.dist(), whole.dist())
	total := 0
	for _, n := range once {
		total += n
	}
	if got := asked + len(p.requests()) - refused; got != total {
		t.Errorf("%d calls were answered in two builds, %d in an undisturbed one", got, total)
	}
	if third := p.mustBuild().sum; strings.Contains(statuses(third), "run") {
		t.Errorf("a third build ran: %s", statuses(third))
	}
}

// TestFailuresEndABuild has rows fail where the recipe does not allow it: the
// build ends with its own exit code, and says why; nothing is written.
func TestFailuresEndABuild(t *testing.T) {
	t.Parallel()
	m := misbehaviours()[8]
	server := start(t, llmtest.Options{Reply: func(r llmtest.Request) (llmtest.Reply, bool) { return m.reply, m.bad(r) }})
	p := pipeline(t, server)
	r := p.build()
	if r.code != 5 || r.sum.OK || r.sum.Error == "" {
		t.Errorf("exit %d, ok %v, error %q", r.code, r.sum.OK, r.sum.Error)
	}
	if left, err := filepath.Glob(filepath.Join(p.dist(), "*", "*.jsonl")); err != nil || len(left) > 0 {
		t.Errorf("%v, and outputs were written: %q", err, left)
	}
}
