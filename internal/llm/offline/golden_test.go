package offline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
)

// golden is the digest of the replies below. It may change only together with
// Version, for a cache keeps replies under the latter.
const golden = "6760973abae5301e9eff0b448fc995f3cf53309d55fff8a59212377cf713367a"

func TestGolden(t *testing.T) {
	raw, err := os.ReadFile("testdata/odd_tools.json")
	if err != nil {
		t.Fatal(err)
	}
	var tools []otsTool
	if err := json.Unmarshal(raw, &tools); err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	for i := range 30 {
		p := newPlay(t, tools, outcomes[i%10], kinds[i%3], i)
		var gen struct{ Instruction string }
		h.Write([]byte(p.call("generator", genSchema, nil, &gen).Content))
		p.base["instruction"] = gen.Instruction
		act := toAction(p.call("agent", "", obj{"trajectory": []obj{}}, nil))
		h.Write([]byte(show(act)))
		h.Write([]byte(p.call("environment", envSchema, obj{"action": act, "adversarial": i%2 == 0}, nil).Content))
		h.Write([]byte(p.call("judge", judgeSchema, obj{"action": act}, nil).Content))
		h.Write([]byte(p.call("reflector", reflSchema, obj{"action": act}, nil).Content))
		h.Write([]byte(p.call("useful", "", obj{"action": act}, nil).Content))
		rep, err := Complete(context.Background(), Request{Sample: i, Schema: tools[i%len(tools)].Parameters})
		if err != nil {
			t.Fatal(err)
		}
		h.Write([]byte(rep.Content))
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != golden {
		t.Errorf("the replies have changed (%s): raise Version and pin the new digest", got)
	}
}
