package llamafactory

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/autosafe/autosafe/plugins/builtin/export"
	"github.com/autosafe/autosafe/plugins/sdk"
)

// infoFile is where LLaMA-Factory looks for what is in a folder of data.
const infoFile = "dataset_info.json"

// ConfigFile holds the lines of a training configuration that fit the data.
const ConfigFile = "llamafactory.yml"

// entryName is the name of a dataset's split in dataset_info.json. Where a
// split has several files, each has an entry whose name goes on with _00000,
// _00001 and so on.
func entryName(name, stage, split string) string { return name + "_" + stage + "_" + split }

func shardNumber(n int) string { return fmt.Sprintf("%05d", n) }

// entry is one of dataset_info.json. Columns and tags are given whole: what
// LLaMA-Factory does not find there it takes for none, and not for its
// default.
type entry struct {
	FileName   string  `json:"file_name"`
	Formatting string  `json:"formatting"`
	Ranking    bool    `json:"ranking,omitempty"`
	Columns    columns `json:"columns"`
	Tags       tags    `json:"tags"`
}

type columns struct {
	Messages string `json:"messages"`
	System   string `json:"system"`
	Tools    string `json:"tools"`
	Chosen   string `json:"chosen,omitempty"`
	Rejected string `json:"rejected,omitempty"`
	KTOTag   string `json:"kto_tag,omitempty"`
}

type tags struct {
	Role        string `json:"role_tag"`
	Content     string `json:"content_tag"`
	User        string `json:"user_tag"`
	Assistant   string `json:"assistant_tag"`
	Observation string `json:"observation_tag"`
	Function    string `json:"function_tag"`
	System      string `json:"system_tag"`
}

func (cfg Config) entry(file string) entry {
	n := cfg.names()
	e := entry{
		FileName: file, Formatting: cfg.Formatting,
		Columns: columns{Messages: n.messages, System: "system", Tools: "tools"},
		Tags: tags{
			Role: n.role, Content: n.text, User: n.roles["user"], Assistant: n.roles["assistant"],
			Observation: n.roles["tool"], Function: n.roles["call"], System: n.roles["system"],
		},
	}
	switch cfg.Stage {
	case "dpo":
		e.Ranking, e.Columns.Chosen, e.Columns.Rejected = true, "chosen", "rejected"
		// Its reader of the OpenAI form loses a tool's result at the end of a
		// prompt, and with it the row. The other one reads these tags as well.
		e.Formatting = "sharegpt"
	case "kto":
		e.Columns.KTOTag = "label"
	}
	return e
}

// describe writes what stands beside the data, if there is any.
func (cfg Config) describe(out *sdk.Dir) error {
	entries, of := cfg.files(out.Files())
	if len(entries) == 0 {
		return nil
	}
	var train, eval []string
	for _, e := range entries {
		if export.HeldOut(export.SplitOf(of[e])) {
			eval = append(eval, e)
		} else {
			train = append(train, e)
		}
	}
	if cfg.Formatting == "v1" {
		return describeV1(out, map[string][]string{"train": train, "eval": eval}, of)
	}
	info := map[string]entry{}
	for _, e := range entries {
		info[e] = cfg.entry(of[e])
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(info); err != nil {
		return err
	}
	if err := put(out, infoFile, b.Bytes()); err != nil {
		return err
	}
	return put(out, ConfigFile, cfg.training(train, eval))
}

func put(out *sdk.Dir, name string, text []byte) error {
	mediaType := "application/yaml"
	if strings.HasSuffix(name, ".json") {
		mediaType = "application/json"
	}
	f, err := out.Create(name, mediaType)
	if err != nil {
		return err
	}
	if _, err := f.Write(text); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return f.Close()
}

// describeV1 lists the files for the newer engine, which reads a list of those
// to train on and another of those to evaluate on.
func describeV1(out *sdk.Dir, lists map[string][]string, of map[string]string) error {
	var config bytes.Buffer
	config.WriteString(aboutConfig)
	for _, use := range []string{"train", "eval"} {
		if len(lists[use]) == 0 {
			continue
		}
		var b bytes.Buffer
		b.WriteString("# Paths are as seen from the folder that LLaMA-Factory is started in.\n")
		for _, e := range lists[use] {
			fmt.Fprintf(&b, "%s:\n  path: %s\n  source: local\n", quote(e), quote(of[e]))
		}
		name := "datasets_" + use + ".yaml"
		if err := put(out, name, b.Bytes()); err != nil {
			return err
		}
		fmt.Fprintf(&config, "%s_dataset: %s\n", use, name)
	}
	return put(out, ConfigFile, config.Bytes())
}

const aboutConfig = "# What these data ask of a training configuration. Give paths as seen from the folder\n# that LLaMA-Factory is started in.\n"

// training are the lines of a configuration that the data ask for.
func (cfg Config) training(train, eval []string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%sstage: %s\ndataset_dir: .\n", aboutConfig, cfg.Stage)
	if len(train) > 0 {
		fmt.Fprintf(&b, "dataset: %s\n", quote(strings.Join(train, ",")))
	}
	if len(eval) > 0 {
		fmt.Fprintf(&b, "eval_dataset: %s\n", quote(strings.Join(eval, ",")))
	}
	if cfg.Stage == "sft" {
		if cfg.maskHistory() {
			b.WriteString("# Only the last turn of a row is meant to be learned.\n")
		} else {
			b.WriteString("# Every answer and call of a row is meant to be learned.\n")
		}
		fmt.Fprintf(&b, "mask_history: %t\n", cfg.maskHistory())
	}
	return b.Bytes()
}

// quote is a text as YAML takes it, too: quoted as JSON.
func quote(text string) string {
	b, err := export.JSON(text)
	if err != nil {
		return `""`
	}
	return string(b)
}
