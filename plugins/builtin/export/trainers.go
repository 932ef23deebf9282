package export

// LLaMAFactory is the format of output "llamafactory" in one of its forms;
// the validator takes all of them. Calls and tools are strings in it already,
// so Parquet changes nothing about them.
func LLaMAFactory(formatting, stage string) Format {
	f := Format{Name: "llamafactory", Validate: ValidateLLaMAFactory}
	if formatting == "v1" {
		f.Columns = v1Columns(stage)
		return f
	}
	role, text, messages := Column{Name: "from"}, Column{Name: "value"}, "conversations"
	if formatting == "openai" {
		role, text, messages = Column{Name: "role"}, Column{Name: "content"}, "messages"
	}
	f.Columns = []Column{
		{Name: messages, List: true, Fields: []Column{role, text}},
		{Name: "system"},
		{Name: "tools"},
	}
	switch stage {
	case "dpo":
		f.Columns = append(f.Columns,
			Column{Name: "chosen", Fields: []Column{role, text}},
			Column{Name: "rejected", Fields: []Column{role, text}})
	case "kto":
		f.Columns = append(f.Columns, Column{Name: "label", Type: BoolValue})
	}
	return f
}

func v1Columns(stage string) []Column {
	message := []Column{
		{Name: "role"},
		{Name: "content", List: true, Fields: []Column{{Name: "type"}, {Name: "value"}}},
		{Name: "loss_weight", Type: FloatValue},
	}
	columns := []Column{{Name: "tools"}}
	if stage == "dpo" {
		return append(columns, Column{Name: "chosen_messages", List: true, Fields: message}, Column{Name: "rejected_messages", List: true, Fields: message})
	}
	return append(columns, Column{Name: "messages", List: true, Fields: message})
}

// AxolotlSFT is the format of output "axolotl_sft". Arguments and tools are
// strings in it already.
func AxolotlSFT() Format {
	return Format{Name: "axolotl_sft", Validate: ValidateAxolotlSFT, Columns: []Column{
		{Name: "messages", List: true, Fields: []Column{
			{Name: "role"},
			{Name: "content"},
			{Name: "tool_calls", List: true, Fields: []Column{
				{Name: "id"}, {Name: "type"},
				{Name: "function", Fields: []Column{{Name: "name"}, {Name: "arguments"}}},
			}},
			{Name: "tool_call_id"},
			{Name: "name"},
			{Name: "train", Type: BoolValue},
		}},
		{Name: "tools"},
	}}
}

// AxolotlDPO is the format of output "axolotl_dpo".
func AxolotlDPO() Format {
	message := []Column{{Name: "role"}, {Name: "content"}}
	return Format{Name: "axolotl_dpo", Validate: ValidateAxolotlDPO, Columns: []Column{
		{Name: "messages", List: true, Fields: message},
		{Name: "chosen", Fields: message},
		{Name: "rejected", Fields: message},
	}}
}
