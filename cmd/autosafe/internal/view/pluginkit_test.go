package view

import (
	"testing"

	"github.com/autosafe/autosafe/internal/engine"
)

func TestNoteText(t *testing.T) {
	tests := []struct {
		note *engine.Note
		want string
	}{
		{nil, ""},
		{&engine.Note{}, ""},
		{&engine.Note{Text: "reading"}, "reading"},
		{&engine.Note{Text: "page", Done: 3, Total: 12}, "page 3/12"},
		{&engine.Note{Done: 1, Total: 2}, "1/2"},
		{&engine.Note{Text: "a\x1b[31mb\nc"}, Clean("a\x1b[31mb\nc")},
	}
	for _, tt := range tests {
		if got := noteText(tt.note); got != tt.want {
			t.Errorf("%+v is %q, want %q", tt.note, got, tt.want)
		}
	}
}
