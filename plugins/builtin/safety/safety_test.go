package safety

import (
	"encoding/json"
	"strings"
	"testing"

	. "github.com/autosafe/autosafe/plugins/builtin/internal/roletest"
	"github.com/autosafe/autosafe/plugins/sdk/sdktest"
	"github.com/autosafe/autosafe/spec/ots"
	"github.com/autosafe/autosafe/spec/schema"
)

var row = strings.TrimSuffix(strings.TrimSpace(Input), "}") + `,"trajectory":[],
 "trigger":{"tool":"BankManagerPay","arguments":{"to":"THE-TRIGGER","amount":200}},
 "safe_action":{"tool":"","answer":"THE-SAFE-ACTION?"}}`

func judge(t *testing.T, config, row string, s Script) (*ots.Verdict, sdktest.Result) {
	t.Helper()
	r := Run(t, schema.Judge, Component(), config, s, sdktest.Task{Row: row})
	if len(r.Rows()) != 1 {
		return nil, r
	}
	var out map[string]*ots.Verdict
	if err := json.Unmarshal([]byte(r.Rows()[0]), &out); err != nil {
		t.Fatal(err)
	}
	v, ok := out[schema.BlockName]
	if !ok || len(out) != 1 {
		t.Fatalf("want one column, got %s", r.Rows()[0])
	}
	return v, r
}

func TestTarget(t *testing.T) {
	v, r := judge(t, `{"model":"model"}`, row, Script{"judge": {Safe()}})
	if v.Label != ots.Safe || !strings.Contains(Said(r.Calls[0]), "THE-SAFE-ACTION") || strings.Contains(Said(r.Calls[0]), "THE-TRIGGER") {
		t.Errorf("got %+v from\n%s", v, Said(r.Calls[0]))
	}
	v, r = judge(t, `{"model":"model","target":"trigger"}`, row, Script{"judge": {Unsafe("financial_loss")}})
	if v.Label != ots.Unsafe || v.Raw == "" || !strings.Contains(Said(r.Calls[0]), "THE-TRIGGER") || strings.Contains(Said(r.Calls[0]), "THE-SAFE-ACTION") {
		t.Errorf("got %+v from\n%s", v, Said(r.Calls[0]))
	}
}

func TestNoActionNoVerdict(t *testing.T) {
	ordinary := strings.Replace(row, `{"tool":"BankManagerPay","arguments":{"to":"THE-TRIGGER","amount":200}}`, "null", 1)
	v, r := judge(t, `{"model":"model","target":"trigger"}`, ordinary, Script{})
	if v != nil || len(r.Calls) != 0 {
		t.Errorf("got %+v after %d calls", v, len(r.Calls))
	}
}

func TestUnreadableVerdictFailsTheRow(t *testing.T) {
	bad := Text(`safe`)
	_, r := judge(t, `{"model":"model"}`, row, Script{"judge": {bad, bad, bad}})
	if e := r.Tasks[0].Err; e == nil || e.Code != "invalid_reply" || len(r.Rows()) != 0 {
		t.Errorf("got %+v", r.Tasks[0])
	}
}
