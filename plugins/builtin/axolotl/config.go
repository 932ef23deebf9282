package axolotl

import (
	"bytes"
	"fmt"
	"path"

	"github.com/autosafe/autosafe/plugins/builtin/export"
	"github.com/autosafe/autosafe/plugins/sdk"
)

// ConfigFile holds the lines of a configuration that read the data.
const ConfigFile = "axolotl.yml"

const aboutConfig = "# What reads these data, for an Axolotl configuration. Give paths as seen from the folder\n# that Axolotl is started in.\n"

// The lines above the lists of files, and those of each file.
const (
	sftHead   = ""
	sftFields = `    type: chat_template
    field_messages: messages
    field_tools: tools
    message_field_training: train
    roles_to_train:
      - assistant
    train_on_eos: turn
`
	dpoHead   = "rl: dpo\n"
	dpoFields = `    type: chat_template.default
    field_messages: messages
    field_chosen: chosen
    field_rejected: rejected
    message_property_mappings:
      role: role
      content: content
    roles:
      system:
        - system
      user:
        - user
      assistant:
        - assistant
`
)

// describe writes the lines of a configuration beside the data, if there are
// any.
func describe(out *sdk.Dir, head, fields string) error {
	files := out.Files()
	if len(files) == 0 {
		return nil
	}
	var b bytes.Buffer
	b.WriteString(aboutConfig + head)
	for _, list := range []struct {
		name    string
		heldOut bool
	}{{"datasets", false}, {"test_datasets", true}} {
		begun := false
		for _, file := range files {
			if export.HeldOut(export.SplitOf(file)) != list.heldOut {
				continue
			}
			if !begun {
				fmt.Fprintf(&b, "%s:\n", list.name)
				begun = true
			}
			name, err := export.JSON(file) // which YAML takes as it is
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, "  - path: %s\n    ds_type: %s\n    split: train\n%s", name, fileType(file), fields)
		}
	}
	f, err := out.Create(ConfigFile, "application/yaml")
	if err != nil {
		return err
	}
	if _, err := f.Write(b.Bytes()); err != nil {
		return fmt.Errorf("writing %s: %w", ConfigFile, err)
	}
	return f.Close()
}

func fileType(file string) string {
	if path.Ext(file) == ".parquet" {
		return "parquet"
	}
	return "json"
}
