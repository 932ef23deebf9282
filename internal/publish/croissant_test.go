package publish_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// TestCroissantHolds checks what the format asks of a description: members that
// must be there, ids that are met once, references that lead somewhere, and
// digests that are those of the files.
func TestCroissantHolds(t *testing.T) {
	s := newShop(t)
	s.build()
	files := s.tree()
	var doc map[string]any
	if err := json.Unmarshal([]byte(files["croissant.json"]), &doc); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"@context", "@type", "conformsTo", "name", "description", "license", "url", "creator", "datePublished", "distribution", "recordSet",
		"rai:dataCollection", "rai:dataLimitations", "rai:dataBiases", "rai:dataUseCases", "rai:dataAnnotationProtocol", "rai:machineAnnotationTools", "rai:personalSensitiveInformation"} {
		if doc[name] == nil {
			t.Errorf("%s is not there", name)
		}
	}
	ids, refs := map[string]bool{}, []string{}
	var walk func(v any)
	walk = func(v any) {
		switch x := v.(type) {
		case []any:
			for _, e := range x {
				walk(e)
			}
		case map[string]any:
			id, _ := x["@id"].(string)
			switch {
			case id != "" && len(x) == 1:
				refs = append(refs, id)
			case id != "" && x["@type"] != nil:
				if ids[id] {
					t.Errorf("the id %s is given twice", id)
				}
				ids[id] = true
			}
			for _, e := range x {
				walk(e)
			}
		}
	}
	walk(doc["distribution"])
	walk(doc["recordSet"])
	for _, r := range refs {
		if !ids[r] {
			t.Errorf("%s is referred to, and not there", r)
		}
	}
	given := 0
	for _, d := range doc["distribution"].([]any) {
		f := d.(map[string]any)
		if f["@type"] != "cr:FileObject" {
			continue
		}
		given++
		url := f["contentUrl"].(string)
		if f["sha256"] != hexSum(files[url]) || f["contentSize"] != fmt.Sprintf("%d B", len(files[url])) {
			t.Errorf("%s: another digest or size", url)
		}
	}
	if given != 6 {
		t.Errorf("%d files are described, want 6", given)
	}
	types := map[string]string{}
	for _, r := range doc["recordSet"].([]any) {
		for _, f := range r.(map[string]any)["field"].([]any) {
			field := f.(map[string]any)
			types[field["@id"].(string)] = field["dataType"].(string)
		}
	}
	for id, want := range map[string]string{"sft/messages": "sc:Text", "sft/n": "sc:Integer", "sft/share": "sc:Float", "sft/sure": "sc:Boolean", "rows/strict": "sc:Text", "rows/split": "sc:Text"} {
		if types[id] != want {
			t.Errorf("%s is %q, want %s", id, types[id], want)
		}
	}
	if text := files["croissant.json"]; !strings.Contains(text, "Rows from bench/held.json are for evaluation only") || !strings.Contains(text, `"license": "GPL-3.0"`) {
		t.Error("nothing is said of rows that are not for training, or of their licence")
	}
}
