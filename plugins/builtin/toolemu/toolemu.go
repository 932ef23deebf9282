// Package toolemu is threat_source "toolemu": the cases of ToolEmu (Ruan et
// al., arXiv 2309.15817) as rows, from the two files that it publishes.
//
// A case brings its own instruction, achievements and risks, so its rows go to
// a trajectory simulator without one for instructions. Its toolkits alone, for
// new instructions, are read by threat_source "catalog".
package toolemu

import (
	"context"
	"fmt"
	"path"
	"slices"

	"github.com/autosafe/autosafe/plugins/builtin/internal/toolkit"
	"github.com/autosafe/autosafe/plugins/sdk"
	"github.com/autosafe/autosafe/spec/ots"
	"github.com/autosafe/autosafe/spec/schema"
)

// Name is the component's name, and the source in its rows' origin.
const Name = "toolemu"

const (
	toolkitsFile = toolkit.ToolEmuFile
	casesFile    = "all_cases.json"
	licence      = "Apache-2.0" // of ToolEmu's data
)

// Config is the block's body.
type Config struct {
	Path  sdk.Files `hcl:"path" doc:"The folder that holds ToolEmu's all_toolkits.json and all_cases.json."`
	Cases []string  `hcl:"cases,optional" doc:"Only the cases of these names, such as official_0."`
	Limit *int      `hcl:"limit,optional" min:"1" doc:"Emit at most this many cases, the first ones."`
}

// Row is a case as a row.
type Row struct {
	Case            string              `json:"case" doc:"The case's name in ToolEmu."`
	Source          ots.Source          `json:"source" doc:"instruction where the case lists what the instruction leaves open, else action."`
	InstructionType ots.InstructionType `json:"instruction_type" doc:"underspecified where the case lists what the instruction leaves open, else normal."`
	Domain          string              `json:"domain" doc:"Domain of the first toolkit, from its category; other where it has none."`
	Toolkits        []string            `json:"toolkits" doc:"The case's toolkits."`
	Tools           []ots.Tool          `json:"tools" doc:"Every tool of the toolkits."`
	Outcome         string              `json:"outcome" doc:"Id of the risk outcome, from the names of the case's risky outcomes."`
	Instruction     string              `json:"instruction" doc:"The user instruction."`
	Achievements    []string            `json:"achievements" doc:"What a good agent would achieve."`
	Risks           []string            `json:"risks" doc:"The potential risky outcomes, then the potential risky actions."`
	Origin          ots.Origin          `json:"origin" doc:"The file of cases and the case's place in it."`
}

// Component describes and runs the source.
func Component() sdk.Component {
	return sdk.Source(run,
		sdk.Doc("The cases of ToolEmu, each with its toolkits, instruction, achievements and risks, from the files that ToolEmu publishes."),
		sdk.Behavior("1"),
		sdk.Deterministic(),
	)
}

// rawCase is a case as it stands in the file.
type rawCase struct {
	Name                string              `json:"name"`
	Toolkits            []string            `json:"Toolkits"`
	Instruction         string              `json:"User Instruction"`
	Underspecifications map[string][]string `json:"Underspecifications"`
	Achievements        []string            `json:"Expected Achievements"`
	RiskyOutcomes       []string            `json:"Potential Risky Outcomes"`
	RiskyActions        []string            `json:"Potential Risky Actions"`
}

func run(ctx context.Context, cfg Config, emit func(Row) error) error {
	kitsAt, casesAt, err := locate(cfg.Path)
	if err != nil {
		return err
	}
	kits, err := readToolkits(kitsAt)
	if err != nil {
		return err
	}
	var cases []rawCase
	if err := toolkit.ReadJSON(casesAt, &cases); err != nil {
		return err
	}
	if err := checkNames(cfg.Cases, cases, casesAt.Name); err != nil {
		return err
	}
	emitted := 0
	for i, c := range cases {
		if len(cfg.Cases) > 0 && !slices.Contains(cfg.Cases, c.Name) {
			continue
		}
		if cfg.Limit != nil && emitted == *cfg.Limit {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		row, err := c.row(kits)
		if err != nil {
			return fmt.Errorf("%s: case %d%s: %w", casesAt.Name, i+1, named(c.Name), err)
		}
		row.Origin = ots.Origin{Source: Name, File: casesAt.Name, Index: int64(i), Licence: licence}
		if err := emit(row); err != nil {
			return err
		}
		emitted++
	}
	return nil
}

func named(name string) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf(" (%q)", name)
}

// locate finds the two files. Of several of one name the one nearest to the
// top counts.
func locate(files []schema.File) (kits, cases schema.File, err error) {
	files, err = toolkit.Expand(files)
	if err != nil {
		return kits, cases, err
	}
	pick := func(name string) (schema.File, error) {
		var best schema.File
		for _, f := range files {
			if path.Base(f.Name) == name && (best.Name == "" || len(f.Name) < len(best.Name)) {
				best = f
			}
		}
		if best.Name == "" {
			return best, fmt.Errorf("path: there is no %s; give the folder that holds ToolEmu's %s and %s", name, toolkitsFile, casesFile)
		}
		return best, nil
	}
	if kits, err = pick(toolkitsFile); err != nil {
		return kits, cases, err
	}
	cases, err = pick(casesFile)
	return kits, cases, err
}

// readToolkits gives the toolkits by every name that a case may use.
func readToolkits(f schema.File) (map[string]toolkit.Toolkit, error) {
	list, err := toolkit.Load([]schema.File{f})
	if err != nil {
		return nil, err
	}
	out := map[string]toolkit.Toolkit{}
	for _, k := range list {
		out[k.Name] = k
	}
	return out, nil
}

// checkNames reports names of cases that the file does not have.
func checkNames(wanted []string, cases []rawCase, file string) error {
	known := make([]string, len(cases))
	for i, c := range cases {
		known[i] = c.Name
	}
	for _, name := range wanted {
		if !slices.Contains(known, name) {
			return fmt.Errorf("cases: %s has no case %q.%s", file, name, toolkit.DidYouMean(name, known))
		}
	}
	return nil
}

func (c rawCase) row(kits map[string]toolkit.Toolkit) (Row, error) {
	row := Row{
		Case:            c.Name,
		Source:          ots.SourceAction,
		InstructionType: ots.InstructionNormal,
		Toolkits:        c.Toolkits,
		Outcome:         Outcome(c.RiskyOutcomes),
		Instruction:     c.Instruction,
		Achievements:    c.Achievements,
		Risks:           append(slices.Clone(c.RiskyOutcomes), c.RiskyActions...),
	}
	for _, field := range []struct {
		name  string
		empty bool
	}{
		{"name", c.Name == ""},
		{"Toolkits", len(c.Toolkits) == 0},
		{"User Instruction", c.Instruction == ""},
		{"Expected Achievements", len(c.Achievements) == 0},
		{"Potential Risky Outcomes", len(c.RiskyOutcomes) == 0},
	} {
		if field.empty {
			return row, fmt.Errorf("%q is missing or empty", field.name)
		}
	}
	for _, open := range c.Underspecifications {
		if len(open) > 0 {
			row.Source, row.InstructionType = ots.SourceInstruction, ots.InstructionUnderspecified
		}
	}
	for i, name := range c.Toolkits {
		k, ok := kits[name]
		if !ok {
			return row, fmt.Errorf("\"Toolkits\": %s has no toolkit %q", toolkitsFile, name)
		}
		if i == 0 {
			row.Domain = k.Domain
		}
		row.Tools = append(row.Tools, k.OTS()...)
	}
	return row, nil
}
