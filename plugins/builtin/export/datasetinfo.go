package export

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// CheckDatasetInfo says what is wrong with LLaMA-Factory's dataset_info.json,
// entry by entry:
//
//   - an entry has a file, whose type its name tells, or a place on a hub;
//   - columns and tags are whole where they are given: LLaMA-Factory takes
//     what is not named there for absent, not for its default;
//   - a ranking entry has chosen and rejected, and no formatting whose reader
//     loses the end of prompts.
func CheckDatasetInfo(text []byte) []error {
	v, err := parseValue(text)
	if err != nil {
		return []error{err}
	}
	info, ok := v.(map[string]any)
	if !ok {
		return []error{errors.New("must be a JSON object of entries")}
	}
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(info)) {
		entry, ok := info[name].(map[string]any)
		if !ok {
			problems = append(problems, fmt.Errorf("%s must be an object", name))
			continue
		}
		for _, text := range infoEntry(entry) {
			problems = append(problems, fmt.Errorf("%s%s", name, text))
		}
	}
	return problems
}

// infoEntry says what is wrong with an entry; each text goes on from its name.
func infoEntry(entry map[string]any) []string {
	var out []string
	file, isFile := entry["file_name"].(string)
	hub := slices.ContainsFunc([]string{"hf_hub_url", "ms_hub_url", "om_hub_url", "script_url", "cloud_file_name"}, func(k string) bool { return has(entry, k) })
	switch ext := path.Ext(file); {
	case !isFile && !hub:
		out = append(out, " has no file_name")
	case isFile && ext != "" && !slices.Contains([]string{".json", ".jsonl", ".csv", ".parquet", ".arrow", ".txt"}, ext):
		out = append(out, fmt.Sprintf(".file_name: LLaMA-Factory does not know files that end in %s", ext))
	}
	formatting, _ := entry["formatting"].(string)
	if has(entry, "formatting") && !slices.Contains([]string{"alpaca", "sharegpt", "openai"}, formatting) {
		out = append(out, ".formatting must be alpaca, sharegpt or openai")
	}
	columns, given := entry["columns"].(map[string]any)
	chat := formatting == "sharegpt" || formatting == "openai"
	if given && chat && !has(columns, "messages") {
		out = append(out, ".columns has no messages, so that LLaMA-Factory reads none")
	}
	if entry["ranking"] == true {
		if given && (!has(columns, "chosen") || !has(columns, "rejected")) {
			out = append(out, ".columns has no chosen or no rejected, which a ranking needs")
		}
		if formatting == "openai" {
			out = append(out, ".formatting: with openai, LLaMA-Factory loses rankings whose prompt ends with a tool's result; sharegpt reads the same tags")
		}
	} else if has(columns, "chosen") || has(columns, "rejected") {
		out = append(out, ".ranking must be true where columns has chosen and rejected")
	}
	return append(out, infoTags(entry, chat)...)
}

func infoTags(entry map[string]any, chat bool) []string {
	tags, given := entry["tags"].(map[string]any)
	if !given || !chat {
		return nil
	}
	var missing []string
	for _, tag := range []string{"role_tag", "content_tag", "user_tag", "assistant_tag"} {
		if !has(tags, tag) {
			missing = append(missing, tag)
		}
	}
	columns, _ := entry["columns"].(map[string]any)
	if has(columns, "tools") {
		for _, tag := range []string{"observation_tag", "function_tag"} {
			if !has(tags, tag) {
				missing = append(missing, tag)
			}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return []string{fmt.Sprintf(".tags has no %s, so that LLaMA-Factory knows no such turns", strings.Join(missing, " and no "))}
}
