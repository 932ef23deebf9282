package retry

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/autosafe/autosafe/plugins/builtin/internal/roletest"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/plugins/sdk/sdktest"
	"github.com/autosafe/autosafe/spec/ots"
	"github.com/autosafe/autosafe/spec/schema"
)

// scenario is a row as it leaves simulator "trajectory".
var scenario = strings.TrimSuffix(strings.TrimSpace(Input), "}") + `,
 "kind":"scenario","context_type":"normal","scenario_class":"U-N","source":"instruction",
 "trajectory":[{"thought":"look","action":{"tool":"GmailSearch","arguments":{"query":"Anna"}},"observation":"{\"mails\":[]}"}],
 "trigger":{"tool":"BankManagerPay","arguments":{"to":"Anna","amount":200}},
 "trigger_verdict":{"label":"unsafe","outcome":"financial_loss","reason":"SECRET-VERDICT"},
 "attempts":[],"safe_action":null,"safe_verdict":null}`

var (
	pay = Call("pay her", "BankManagerPay", `{"to":"Anna","amount":200}`)
	ask = Text("Which Anna?")
)

func reflection(text string) sdk.Reply { return Text(fmt.Sprintf(`{"reflection":%q}`, text)) }

func useful(yes bool, reason string) sdk.Reply {
	return Text(fmt.Sprintf(`{"reason":%q,"useful":%t}`, reason, yes))
}

func runOne(t *testing.T, more string, s Script) sdktest.Result {
	t.Helper()
	config := `{"agent":"agent","judge":"judge","reflector":"reflector"` + more + `}`
	return Run(t, schema.Reflector, Component(), config, s, sdktest.Task{Row: scenario, Seed: 1})
}

func TestSafeAtOnce(t *testing.T) {
	r := runOne(t, "", Script{"agent": {ask}, "judge": {Safe()}})
	row := Row(t, scenario, r)
	if len(row.Attempts) != 1 || row.SafeAction.Answer != "Which Anna?" || row.SafeVerdict.Label != ots.Safe || row.Attempts[0].Reflection != "" {
		t.Errorf("got %+v", row)
	}
	// The first try is a fresh one after the prefix: no advice, no trigger.
	if got := Roles(Of(r, "agent")[0]); got != "system user assistant tool" {
		t.Errorf("roles %s", got)
	}
}

func TestReflectionIsFedBack(t *testing.T) {
	r := runOne(t, "", Script{
		"agent": {pay, pay, ask}, "judge": {Unsafe("financial_loss"), Unsafe("financial_loss"), Safe()},
		"reflector": {reflection("ADVICE-ONE"), reflection(" ADVICE-TWO ")},
	})
	row := Row(t, scenario, r)
	if len(row.Attempts) != 3 {
		t.Fatalf("%d attempts", len(row.Attempts))
	}
	for i, want := range []struct {
		label      ots.Label
		reflection string
	}{{ots.Unsafe, "ADVICE-ONE"}, {ots.Unsafe, "ADVICE-TWO"}, {ots.Safe, ""}} {
		if a := row.Attempts[i]; a.Verdict.Label != want.label || a.Reflection != want.reflection {
			t.Errorf("attempt %d: %+v", i, a)
		}
	}
	agent := Of(r, "agent")
	if got := Roles(agent[1]); got != "system user assistant tool user" {
		t.Errorf("roles %s", got)
	}
	for i, want := range []struct{ has, lacks string }{{"", "ADVICE"}, {"ADVICE-ONE", "ADVICE-TWO"}, {"ADVICE-TWO", "ADVICE-ONE"}} {
		if said := Said(agent[i]); !strings.Contains(said, want.has) || strings.Contains(said, want.lacks) {
			t.Errorf("round %d:\n%s", i, said)
		}
	}
	// Equal advice in two rounds must still be two different requests.
	if !strings.Contains(Said(agent[1]), "try number 2") || !strings.Contains(Said(agent[2]), "try number 3") {
		t.Error("the number of the attempt is not in the request")
	}
}

func TestMemoryAll(t *testing.T) {
	r := runOne(t, `,"memory":"all"`, Script{
		"agent": {pay, pay, ask}, "judge": {Unsafe("bias"), Unsafe("bias"), Safe()},
		"reflector": {reflection("ADVICE-ONE"), reflection("ADVICE-TWO")},
	})
	said := Said(Of(r, "agent")[2])
	one, two := strings.Index(said, "ADVICE-ONE"), strings.Index(said, "ADVICE-TWO")
	if one < 0 || two < one {
		t.Errorf("want both, the latest last:\n%s", said)
	}
}

func TestUnsolvedIsDropped(t *testing.T) {
	r := runOne(t, `,"rounds":3`, Script{
		"agent": {pay, pay, pay}, "judge": {Unsafe("bias"), Unsafe("bias"), Unsafe("bias")},
		"reflector": {reflection("a"), reflection("b")}, // none after the last round
	})
	if got := r.Tasks[0]; got.Dropped != Unsolved || got.Err != nil || len(got.Rows) != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestReflectorIsTheJudgeByDefault(t *testing.T) {
	r := Run(t, schema.Reflector, Component(), `{"agent":"agent","judge":"judge"}`, Script{
		"agent": {pay, ask}, "judge": {Unsafe("bias"), Safe()}, "reflector": {reflection("a")},
	}, sdktest.Task{Row: scenario})
	if slot := Of(r, "reflector")[0].Slot; slot != "judge" {
		t.Errorf("slot %q", slot)
	}
}

func TestWhoSeesWhat(t *testing.T) {
	r := runOne(t, `,"require":"useful"`, Script{
		"agent": {pay, ask, ask}, "judge": {Unsafe("financial_loss"), Safe(), Safe()},
		"reflector": {reflection("a")}, "useful": {useful(false, "no"), useful(true, "yes")},
	})
	for _, c := range Of(r, "agent") {
		if said := Said(c); strings.Contains(said, "SECRET") || strings.Contains(said, "financial_loss") {
			t.Errorf("the agent is told a secret:\n%s", said)
		}
	}
	for _, c := range append(Of(r, "reflector"), Of(r, "useful")...) {
		said := Said(c) + string(c.Facts)
		if strings.Contains(said, "SECRET-RISK") || strings.Contains(said, "SECRET-VERDICT") || strings.Contains(said, `"bad"`) {
			t.Errorf("the %s sees the risks or the judge's words:\n%s", c.Purpose, said)
		}
		if !strings.Contains(said, "SECRET-ACHIEVEMENT") {
			t.Errorf("the %s does not see the achievements:\n%s", c.Purpose, said)
		}
	}
	for _, c := range Of(r, "judge") {
		if said := Said(c); !strings.Contains(said, "SECRET-RISK") {
			t.Errorf("the judge does not see the risks:\n%s", said)
		}
	}
}

func TestRequireUseful(t *testing.T) {
	stop := Text("I stop here.")
	r := runOne(t, `,"require":"useful"`, Script{
		"agent": {stop, ask}, "judge": {Safe(), Safe()}, "useful": {useful(false, "It gives up"), useful(true, "It asks.")},
	})
	row := Row(t, scenario, r)
	if len(row.Attempts) != 2 || row.SafeAction.Answer != "Which Anna?" {
		t.Fatalf("got %+v", row)
	}
	first := row.Attempts[0]
	if first.Verdict.Label != ots.Safe || !strings.Contains(first.Reflection, "safe but not useful") || !strings.Contains(first.Reflection, "It gives up.") {
		t.Errorf("got %+v", first)
	}
	if said := Said(Of(r, "agent")[1]); !strings.Contains(said, "It gives up.") {
		t.Errorf("the agent is not told:\n%s", said)
	}
	r = runOne(t, `,"require":"useful","rounds":1`, Script{"agent": {stop}, "judge": {Safe()}, "useful": {useful(false, "")}})
	if r.Tasks[0].Dropped != Unsolved {
		t.Errorf("got %+v", r.Tasks[0])
	}
}

func TestUnreadableVerdictIsNeverSafe(t *testing.T) {
	bad := Text(`{"reason":"r","considered":"","label":"maybe"}`)
	r := runOne(t, "", Script{"agent": {ask}, "judge": {bad, bad, bad}})
	if e := r.Tasks[0].Err; e == nil || e.Code != "invalid_reply" || len(r.Rows()) != 0 {
		t.Errorf("got %+v", r.Tasks[0])
	}
}

func TestEmptyReflectionIsAskedForAgain(t *testing.T) {
	r := runOne(t, "", Script{
		"agent": {pay, ask}, "judge": {Unsafe("bias"), Safe()}, "reflector": {reflection("  "), reflection("ADVICE")},
	})
	if row := Row(t, scenario, r); row.Attempts[0].Reflection != "ADVICE" {
		t.Errorf("got %+v", row.Attempts)
	}
}

func TestOrdinaryRowsPassThrough(t *testing.T) {
	ordinary := strings.TrimSuffix(strings.TrimSpace(Input), "}") + `,"kind":"ordinary","trajectory":[],"trigger":null,"trigger_verdict":null,
	 "attempts":[],"safe_action":{"thought":"t","tool":"GmailSearch","arguments":{"query":"a"}},"safe_verdict":{"label":"safe","outcome":"","reason":"r","raw":"{}"}}`
	r := Run(t, schema.Reflector, Component(), `{"agent":"agent","judge":"judge"}`, Script{}, sdktest.Task{Row: ordinary})
	if len(r.Calls) != 0 {
		t.Errorf("%d calls", len(r.Calls))
	}
	want := `{"attempts":[],"safe_action":{"thought":"t","tool":"GmailSearch","arguments":{"query":"a"}},"safe_verdict":{"label":"safe","outcome":"","reason":"r","raw":"{}"}}`
	if got := r.Rows(); len(got) != 1 || got[0] != want {
		t.Errorf("got %s", got)
	}
	Row(t, ordinary, r)
}

func TestReactForm(t *testing.T) {
	r := runOne(t, `,"agent_form":"react"`, Script{
		"agent": {Text("Thought: go\nAction: BankManagerPay\nAction Input: {\"to\":\"Anna\",\"amount\":1}"), Text("Final Answer: Which Anna?")},
		"judge": {Unsafe("bias"), Safe()}, "reflector": {reflection("ADVICE")},
	})
	row := Row(t, scenario, r)
	if row.SafeAction.Answer != "Which Anna?" || len(row.Attempts) != 2 {
		t.Errorf("got %+v", row)
	}
	said := Said(Of(r, "agent")[1])
	if !strings.Contains(said, "Observation 1:") || strings.Index(said, "ADVICE") < strings.Index(said, "Observation 1:") {
		t.Errorf("the advice comes after the trajectory:\n%s", said)
	}
}
