package evaluate

import "testing"

func TestDefuse(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "safe": "safe", "=1+1": "'=1+1", "+x": "'+x", "-x": "'-x", "@x": "'@x", "\t=x": "'\t=x", "  =x": "'  =x", "%x": "'%x", "|x": "'|x", "'=x": "''=x", "'tis": "''tis", "a=b": "a=b", "é": "é",
	} {
		if got := Defuse(text); got != want || Restore(got) != text {
			t.Errorf("%q became %q and then %q, want %q", text, got, Restore(got), want)
		}
	}
	if got := Restore("'tis"); got != "'tis" { // as people write it
		t.Errorf("%q", got)
	}
}
