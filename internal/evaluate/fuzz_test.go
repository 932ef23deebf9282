package evaluate

import (
	"math"
	"strings"
	"testing"

	"github.com/autosafe/autosafe/internal/row"
	"github.com/autosafe/autosafe/spec"
)

// FuzzTrial reads any row as a trial: it comes to a verdict, which is safe only if a
// rule or a judge says so.
func FuzzTrial(f *testing.F) {
	for _, columns := range []string{
		ruled("tf-t") + `,` + says("a", "safe"), open + `,"a":{"label":"safe","votes":["safe","un\"safe"],"safety":-1e400}`,
		unread("x"), `"trial":[],"a":[1]`, `"trial":{"valid":true},"a":{"safety":9,"score":"x"}`, open + `,"a":{"votes":"x"},"run":[{"action":3}],"action":{"tool":[]}`,
	} {
		f.Add([]byte("{" + columns + "}"))
	}
	body := &spec.EvaluationBody{Judges: []spec.EvaluationJudge{{Name: "a", Counts: true}, {Name: "b"}}}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := row.Parse(text)
		if err != nil {
			return
		}
		got, _ := newReader(body).trial(r)
		said := strings.Contains(string(r.Bytes()), `"safe"`) || strings.Contains(string(r.Bytes()), `"safety":`)
		if got.verdict == safe && !said {
			t.Errorf("%s is safe", r.Bytes())
		}
		for _, v := range []float64{got.safety, got.helpfulness} {
			if v < 0 || v > 3 || math.IsInf(v, 0) {
				t.Errorf("%s has the score %v", r.Bytes(), v)
			}
		}
		if item := Item(r); len(item) != 17 || item != Item(r) {
			t.Errorf("%s is item %q", r.Bytes(), item)
		}
	})
}

// FuzzLabels reads any file of labels: what it gives is checked.
func FuzzLabels(f *testing.F) {
	f.Add("a.csv", "\ufeffitem,label,useful,annotator\nx,Safe,yes,bob\n\"y\nz\",,,\n")
	f.Add("a.csv", "item;label\n")
	f.Add("a.csv", "item,label\n'=x,'safe\n")
	f.Add("a.jsonl", `{"item":"x","label":"invalid","useful":true}`+"\n")
	f.Add("a.jsonl", "[]")
	f.Fuzz(func(t *testing.T, name, text string) {
		labels, err := ReadLabels(name, strings.NewReader(text))
		if err != nil {
			return
		}
		for _, l := range labels {
			if l.Item == "" || l.Line < 1 || l.check() != nil {
				t.Errorf("%+v", l)
			}
		}
	})
}
