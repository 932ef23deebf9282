package engine

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/autosafe/autosafe/cache"
	"github.com/autosafe/autosafe/internal/key"
	"github.com/autosafe/autosafe/spec"
	"github.com/autosafe/autosafe/spec/schema"
)

// Keys are lists of named parts (package key). The parts of a step's key are
// stored, so that two builds can be compared part by part; a row's key is its
// step's base and the digest of what the component reads of the row.
//
// In no key: names of blocks, comments, order in the files, secrets,
// timeouts, limits, prices, on_error and max_failures, paths, the version of
// autosafe, the machine; and of what a plugin is granted, the network and the
// environment: only the files that it may read are known to have changed.

// protocolMajor is the plugin protocol that results depend on.
const protocolMajor = 1

// Tags of the lists. A change of meaning of a part raises the number.
const (
	stepTag    = "autosafe.step/1"
	rowTag     = "autosafe.row/1"
	distillTag = "autosafe.distill/1"
	outputTag  = "autosafe.output/1"
)

// fileDigest gives the content digest of a file.
type fileDigest func(path string) (cache.Digest, error)

// baseParts are the parts of a role step's key that do not depend on its
// input: the component, its code, and everything it was configured with.
func baseParts(s *spec.Step, digest fileDigest) (key.List, error) {
	return partsOf(s, s.Role, digest)
}

// partsOf is baseParts of a step whose models are those of role.
func partsOf(s *spec.Step, role *spec.RoleBody, digest fileDigest) (key.List, error) {
	list, err := bodyParts(stepTag, role, digest)
	if err != nil {
		return nil, err
	}
	if f := s.Finetune; f != nil && role.Component.Trainer == schema.TrainerAPI {
		list.AddString("provider", f.Provider.Identity())
	}
	list.AddInt("seed", s.Seed)
	list.AddInt("generation", int64(s.Generation))
	return list, nil
}

// bodyParts are the parts of a component and its configuration.
func bodyParts(tag string, b *spec.RoleBody, digest fileDigest) (key.List, error) {
	list := key.New(tag)
	list.AddString("component", b.Plugin.Source+" "+string(b.Component.Role)+" "+b.Component.Name)
	list.AddString("code", code(b))
	list.AddInt("protocol", protocolMajor)
	if g := b.Component.Grain; g != schema.RowGrain {
		list.AddString("grain", string(g))
	}
	for _, p := range b.KeyConfig {
		list.Add("config."+p.Name, p.Value)
	}
	for _, slot := range slices.Sorted(maps.Keys(b.Models)) {
		list.Add("model."+slot, modelPart(b.Models[slot]))
	}
	for _, attr := range slices.Sorted(maps.Keys(b.Files)) {
		value, err := filesPart(b.Files[attr], digest)
		if err != nil {
			return nil, err
		}
		list.Add("files."+attr, value)
	}
	for i, files := range b.Granted {
		value, err := filesPart(files, digest)
		if err != nil {
			return nil, err
		}
		list.Add("granted."+strconv.Itoa(i), value)
	}
	for _, m := range b.RowMap {
		list.AddString("map."+m.Column, m.Expr.Text())
	}
	list.AddString("reads", readsPart(b))
	return list, nil
}

// code is the identity of the component's code: what its author declares, or
// the binary's digest.
func code(b *spec.RoleBody) string {
	if v := b.Component.BehaviorVersion; v != "" {
		return "behavior " + v
	}
	return "binary " + b.Plugin.Digest
}

func readsPart(b *spec.RoleBody) string {
	if b.ReadsAll {
		return "*"
	}
	return strings.Join(b.Reads, ",")
}

// filesPart lists names and contents, so that neither a touched file nor a
// moved recipe is a change.
func filesPart(files []schema.File, digest fileDigest) ([]byte, error) {
	var b []byte
	for _, f := range files {
		d, err := digest(f.Path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		b = fmt.Appendf(b, "%q %s\n", f.Name, d)
	}
	return b, nil
}

// modelPart is what of a model can change a row: the endpoint's identity and
// all that is sent. Not its label, its price, or how patient we are.
func modelPart(m *spec.Model) []byte {
	part := struct {
		Endpoint         string   `json:"endpoint"`
		Model            string   `json:"model"`
		Temperature      *float64 `json:"temperature,omitempty"`
		TopP             *float64 `json:"top_p,omitempty"`
		MaxTokens        int      `json:"max_tokens,omitempty"`
		Stop             []string `json:"stop,omitempty"`
		FrequencyPenalty *float64 `json:"frequency_penalty,omitempty"`
		PresencePenalty  *float64 `json:"presence_penalty,omitempty"`
		ReasoningEffort  string   `json:"reasoning_effort,omitempty"`
		Structured       string   `json:"structured,omitempty"`
		ReplyRetries     int      `json:"reply_retries"`
		ToolForm         string   `json:"tool_form,omitempty"`
		Revision         string   `json:"revision,omitempty"`

		ExtraBody map[string]json.RawMessage `json:"extra_body,omitempty"`
	}{
		m.Provider.Identity(), m.ID, m.Temperature, m.TopP, m.MaxTokens, m.Stop,
		m.FrequencyPen, m.PresencePen, m.ReasoningEffort, string(m.Structured), m.ReplyRetries,
		string(m.ToolForm), m.Revision, m.ExtraBody,
	}
	// What "auto" comes to is the endpoint's doing, and mostly the first form.
	if m.Structured == spec.StructuredAuto {
		part.Structured = string(spec.StructuredSchema)
	}
	if m.ToolForm == spec.ToolsAuto || m.ToolForm == spec.ToolsNative {
		part.ToolForm = ""
	}
	b, err := json.Marshal(part)
	if err != nil { // only a NaN or an infinity, which the language cannot write
		return []byte(err.Error())
	}
	return b
}

// stepKey is the key of a role step whose input is known. The name of a block
// is in it only where a column is called after it: such a step's rows are
// known under the row keys, but they have another column now.
func stepKey(base key.List, input cache.Digest, body *spec.RoleBody) key.List {
	list := append(key.List{}, base...)
	list.AddString("input", input.String())
	if body.Samples > 0 {
		list.AddInt("samples", int64(body.Samples))
	}
	if body.BlockColumn != "" {
		list.AddString("column", body.BlockColumn)
	}
	return list
}

// rowKeys derives the keys of a step's rows.
type rowKeys struct{ prefix []byte } // the encoded list up to where rows differ

func newRowKeys(base key.List) rowKeys {
	list := key.New(rowTag)
	list.AddString("base", cache.Digest(base.Digest()).String())
	return rowKeys{list.Encode()}
}

// key is the key of one sample of a row, of which columns holds what the
// component reads.
func (k rowKeys) key(columns cache.Digest, sample int) cache.Digest {
	rest := make(key.List, 0, 2)
	rest.Add("input", hex.AppendEncode(nil, columns[:]))
	rest.AddInt("sample", int64(sample))
	return cache.Sum(rest.AppendParts(slices.Clip(k.prefix)))
}

// distillBase are the parts of a distill step's key that do not depend on its
// input.
func distillBase(s *spec.Step) key.List {
	list := key.New(distillTag)
	for i, op := range s.Distill {
		list.AddString("op."+strconv.Itoa(i)+"."+string(op.Kind), opPart(op))
	}
	list.AddInt("seed", s.Seed)
	return list
}

// distillKey is the key of a distill step.
func distillKey(base key.List, input cache.Digest) key.List {
	list := append(key.List{}, base...)
	list.AddString("input", input.String())
	return list
}

// opPart is what an operation does. Its name is in no key, yet drops are
// counted under it: a renamed operation is a hit whose counts are renamed.
func opPart(op *spec.Op) string {
	part := struct {
		Keep       string  `json:"keep,omitempty"`
		By         string  `json:"by,omitempty"`
		Similarity float64 `json:"similarity,omitempty"`
		Max        int     `json:"max,omitempty"`
		N          int     `json:"n,omitempty"`
		Seed       *int64  `json:"seed,omitempty"`

		Weights map[string]float64 `json:"weights,omitempty"`
		Split   *splitPart         `json:"split,omitempty"`
	}{Split: splitOfPart(op), Similarity: op.Similarity, Max: op.Max, N: op.N, Seed: op.Seed, Weights: op.Weights}
	if op.Keep != nil {
		part.Keep = op.Keep.Text()
	}
	if op.By != nil {
		part.By = op.By.Text()
	}
	b, err := json.Marshal(part)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// splitPart is which rows a scenarios operation keeps.
type splitPart struct {
	By     string   `json:"by"`
	Ratios []string `json:"ratios"`
	Seed   int64    `json:"seed"`
	Of     string   `json:"of"`
}

func splitOfPart(op *spec.Op) *splitPart {
	if op.Split == nil {
		return nil
	}
	part := &splitPart{By: op.Split.By.Text(), Seed: op.Split.Seed, Of: op.Of}
	for _, r := range op.Split.Ratios {
		part.Ratios = append(part.Ratios, r.Name+" "+strconv.FormatFloat(r.Share, 'g', -1, 64))
	}
	return part
}

// outputKey is the key of one output of a dataset.
func outputKey(d *spec.DatasetBody, out *spec.OutputBody, offline bool, input cache.Digest, digest fileDigest) (key.List, error) {
	list, err := bodyParts(outputTag, &out.Role, digest)
	if err != nil {
		return nil, err
	}
	if d.Split != nil {
		list.AddString("split.by", d.Split.By.Text())
		for _, r := range d.Split.Ratios {
			list.AddString("split.ratio."+r.Name, strconv.FormatFloat(r.Share, 'g', -1, 64))
		}
		list.AddInt("split.seed", d.Split.Seed)
	}
	list.AddString("offline", strconv.FormatBool(offline))
	list.AddString("input", input.String())
	return list, nil
}
