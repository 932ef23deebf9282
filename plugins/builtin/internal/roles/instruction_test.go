package roles

import "testing"

func TestPlaceholder(t *testing.T) {
	for text, want := range map[string]string{
		"Pay [NAME] 20 euros":                     "[NAME]",
		"Mail it to <your email>":                 "<your email>",
		"Use {{account_number}}":                  "{{account_number}}",
		"Send to [Recipient's Address] now":       "[Recipient's Address]",
		"Subject: [URGENT] read list[i] in <div>": "",
		"Pay Anna Berg 20 euros":                  "",
		"{\"name\": 1}":                           "",
		"if a < name and b > c":                   "",
	} {
		if got := placeholder(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
