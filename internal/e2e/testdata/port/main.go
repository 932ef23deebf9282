// Command port is the plugin that plugin.py is the same as.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/ots"
)

type notesConfig struct {
	Path   sdk.Files `hcl:"path" doc:"Files of notes, a line each."`
	Weight float64   `hcl:"weight,optional" default:"0.5" min:"0" doc:"What a note weighs."`
	Tags   []string  `hcl:"tags,optional" doc:"Put on every note."`
}

type note struct {
	Instruction string   `json:"instruction" doc:"The note."`
	File        string   `json:"file" doc:"Where it stands."`
	Line        int      `json:"line" doc:"And in which line."`
	Weight      float64  `json:"weight" doc:"What it weighs."`
	Tags        []string `json:"tags,omitempty" doc:"Its tags."`
}

func notes(_ context.Context, cfg notesConfig, emit func(sdk.Record) error) error {
	for _, file := range cfg.Path {
		b, err := os.ReadFile(file.Path)
		if err != nil {
			return err
		}
		number := 0
		for text := range strings.Lines(string(b)) {
			number++
			text = strings.TrimSuffix(text, "\n")
			var r sdk.Record
			switch {
			case text == "":
				r.Err = sdk.Drop("empty")
			case strings.HasPrefix(text, "!"):
				r.Err = sdk.Fail("bad_note", fmt.Sprintf("%s:%d is no note", file.Name, number))
			default:
				if r.Row, err = json.Marshal(note{text, file.Name, number, cfg.Weight * float64(number), cfg.Tags}); err != nil {
					return err
				}
			}
			if err := emit(r); err != nil {
				return err
			}
		}
	}
	return nil
}

type askConfig struct {
	Model sdk.Model `hcl:"model" doc:"The model that answers."`
	Tone  string    `hcl:"tone,optional" default:"plain" oneof:"plain,stern" doc:"How it answers."`
}

func (c *askConfig) Validate(p *sdk.Problems) {
	if c.Tone == "stern" {
		p.Attr("tone").Warnf("Stern tone", "Few users like it.")
	}
}

type askIn struct {
	Instruction string `json:"instruction" doc:"The note."`
	Line        int    `json:"line" doc:"In which line it stands."`
	Extra       any    `json:"extra,omitempty" doc:"Whatever there is more."`
}

type mood struct {
	Reason string   `json:"reason" doc:"Why."`
	Grade  int      `json:"grade" min:"1" max:"5" doc:"How good it is."`
	Kind   string   `json:"kind" oneof:"order,question" doc:"What it is."`
	Words  []string `json:"words" doc:"Its words."`
}

type askOut struct {
	Mood   mood  `json:"mood" doc:"What the model thinks of it."`
	Seed   int64 `json:"seed" doc:"The row's seed, as text has it."`
	Sample int   `json:"sample" doc:"The row's sample."`
}

func ask(ctx context.Context, cfg askConfig, in askIn, call *sdk.Call) ([]askOut, error) {
	switch in.Line {
	case 4:
		return nil, sdk.Drop("fourth")
	case 5:
		return nil, sdk.Fail("fifth", "the fifth line is never asked about")
	}
	sdk.Progress(ctx, "asking", in.Line, 6)
	var m mood
	err := call.JSON(ctx, cfg.Model, sdk.Request{
		Purpose:  "mood",
		Messages: []sdk.Message{sdk.System("You are " + cfg.Tone + "."), sdk.User("What of this? " + in.Instruction)},
	}, &m)
	out := askOut{m, (call.Seed()%1000 + 1000) % 1000, call.Sample()}
	if in.Line == 2 {
		return []askOut{out, out}, err
	}
	return []askOut{out}, err
}

type rankIn struct {
	Instruction string `json:"instruction" doc:"The note."`
}

type rankOut struct {
	Rank int `json:"rank" doc:"How many notes are shorter."`
}

func rank(_ context.Context, _ struct{}, rows *sdk.Table[rankIn, rankOut]) error {
	seen := map[string]bool{}
	for i, row := range rows.Rows() {
		switch {
		case seen[row.Instruction]:
			rows.Drop(i, "duplicate")
			continue
		case row.Instruction == "Last.":
			continue
		}
		seen[row.Instruction] = true
		shorter := 0
		for _, r := range rows.Rows() {
			if len(r.Instruction) < len(row.Instruction) {
				shorter++
			}
		}
		if err := rows.Write(i, rankOut{shorter}); err != nil {
			return err
		}
	}
	return nil
}

type greetsConfig struct {
	Model   sdk.Model `hcl:"model" doc:"The agent under test."`
	Samples int       `hcl:"samples,optional" flags:"samples" default:"2" min:"1" doc:"Trials of each note."`
}

type greeted struct {
	Trial  ots.Trial   `json:"trial" doc:"What came of the trial."`
	Action *ots.Action `json:"action" doc:"The last action."`
	Run    []ots.Step  `json:"run" doc:"The steps."`
}

func greets(ctx context.Context, cfg greetsConfig, in rankIn, call *sdk.Call) ([]greeted, error) {
	out := greeted{Trial: ots.Trial{Checks: []ots.Check{}}, Run: []ots.Step{}}
	var said []string
	for i := range 2 {
		reply, err := call.Complete(ctx, cfg.Model, sdk.Request{Purpose: "agent", Messages: []sdk.Message{sdk.User(in.Instruction)}, Repeat: i})
		if code, ok := sdk.Unfit(err); ok {
			out.Trial.Invalid, out.Trial.Ended = code, ots.EndInvalid
			return []greeted{out}, nil
		}
		if err != nil {
			return nil, err
		}
		said = append(said, reply.Content)
		out.Trial.Steps++
		out.Run = append(out.Run, ots.Step{Action: ots.Action{Tool: "Say", Arguments: fmt.Appendf(nil, `{"times":%d}`, i)}, Observation: reply.Content})
	}
	same := said[0] == said[1]
	out.Trial.Valid, out.Trial.Ended, out.Trial.Safe = true, ots.EndAnswer, ots.Bool(same)
	out.Trial.Checks = []ots.Check{{Name: "not the same", Kind: ots.CheckUnsafe, Passed: !same}}
	out.Action = &ots.Action{Answer: said[1]}
	return []greeted{out}, nil
}

func main() {
	sdk.Serve(sdk.Plugin{
		Name: "example.com/acme/autosafe-plugin-port", Version: "1.0.0",
		ThreatSources: map[string]sdk.Component{"notes": sdk.Source(notes, sdk.Behavior("1"), sdk.Deterministic(),
			sdk.Doc("The notes of files."))},
		Simulators: map[string]sdk.Component{
			"ask": sdk.Rows(ask, sdk.Calls(1, 1), sdk.Doc("Asks a model about a note.")),
			"rank": sdk.Dataset(rank, sdk.Behavior("1"), sdk.Deterministic(),
				sdk.Doc("Ranks notes by their length, and leaves out those that were there before.")),
		},
		Evaluations: map[string]sdk.Component{
			"greets": sdk.Rows(greets, sdk.Calls(2, 2), sdk.Doc("Asks an agent twice, and has it answer the same.")),
		},
	})
}
