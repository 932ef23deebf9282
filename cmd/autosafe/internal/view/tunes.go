package view

import (
	"strings"
	"time"
)

// Tune is a training at an endpoint.
type Tune struct {
	Name     string    `json:"name"`         // ours
	ID       string    `json:"id,omitempty"` // the endpoint's; empty: no job was made
	Step     string    `json:"step"`
	Model    string    `json:"model"` // that it begins from
	Provider string    `json:"provider"`
	Endpoint string    `json:"endpoint"`
	Status   string    `json:"status"`
	Created  time.Time `json:"created"`
	Seen     time.Time `json:"seen,omitzero"` // when the endpoint last told
}

// Tunes lists trainings that are under way.
func (v *View) Tunes(list []Tune) {
	if v.opts.JSON {
		for i := range list {
			v.line(struct {
				Type string `json:"type"`
				*Tune
			}{"finetune", &list[i]})
		}
		v.lastLine(struct {
			Type   string `json:"type"`
			Listed int    `json:"listed"`
		}{"finetunes", len(list)})
		return
	}
	if len(list) == 0 {
		v.result("No training is under way.\n")
		return
	}
	t := table{heads: []string{"Training", "Since", "Status", "Step", "Model"}, spare: []string{"Since"}}
	for i := range list {
		u := &list[i]
		name := u.ID
		if name == "" {
			name = u.Name[:min(len(u.Name), 12)]
		}
		about := Clean(u.Model) + " at " + strings.TrimPrefix(Clean(u.Endpoint), "the endpoint ")
		t.add(Clean(name), when(u.Created), Clean(u.Status), Clean(u.Step), about)
	}
	var text strings.Builder
	t.render(&text, v.outWidth())
	v.result(text.String())
}
