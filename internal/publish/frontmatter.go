package publish

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/autosafe/autosafe/internal/page"
)

// frontMatter is what the Hub reads of a card: YAML, of which every text is
// quoted as JSON, which YAML takes.
func (m *maker) frontMatter(p *page.Markdown) {
	p.WriteString("---\n")
	if l := m.said.Licence; l != "" {
		yaml(p, "license", l)
		if m.said.LicenceName != "" {
			yaml(p, "license_name", m.said.LicenceName)
		}
		if m.said.LicenceLink != "" {
			yaml(p, "license_link", m.said.LicenceLink)
		}
	}
	if len(m.said.Language) > 0 {
		yaml(p, "language", m.said.Language)
	}
	yaml(p, "pretty_name", m.said.PrettyName)
	yaml(p, "annotations_creators", []string{"machine-generated"})
	yaml(p, "task_categories", []string{"text-generation"})
	yaml(p, "source_datasets", m.sourceDatasets())
	yaml(p, "size_categories", []string{sizeCategory(m.rows.total())})
	yaml(p, "tags", m.tags())
	m.configs(p)
	m.datasetInfo(p)
	p.WriteString("---\n\n")
}

// yaml writes a member whose value is a text, a number or a list.
func yaml(p *page.Markdown, name string, v any) { fmt.Fprintf(p, "%s: %s\n", name, jsonText(v)) }

// jsonText is a value as JSON, on one line.
func jsonText(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil { // texts and numbers alone are given
		return "null"
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// sizeCategory is the Hub's name for a number of rows.
func sizeCategory(n int64) string {
	bounds := []struct {
		below int64
		name  string
	}{
		{1e3, "n<1K"}, {1e4, "1K<n<10K"}, {1e5, "10K<n<100K"}, {1e6, "100K<n<1M"}, {1e7, "1M<n<10M"}, {1e8, "10M<n<100M"}, {1e9, "100M<n<1B"},
	}
	for _, b := range bounds {
		if n < b.below {
			return b.name
		}
	}
	return "n>1B"
}

// catalogSource is the origin of rows that rest on no records of others.
const catalogSource = "catalog"

// maxSources is how many sources the card's metadata names.
const maxSources = 50

// sourceDatasets says whether rows are made from nothing, or from others'.
func (m *maker) sourceDatasets() []string {
	var list []string
	for o := range m.rows.origins {
		name := "original"
		if o.Source != "" && o.Source != catalogSource {
			name = "extended|other-" + page.Clip(o.Source, page.MaxCell)
		}
		list = append(list, name)
	}
	slices.Sort(list)
	if list = slices.Compact(list); len(list) == 0 {
		list = []string{"original"}
	}
	if len(list) > maxSources {
		list = append(list[:maxSources:maxSources], "extended")
	}
	return list
}

// tags are the card's own, behind those that follow from what the dataset is.
func (m *maker) tags() []string {
	list := []string{"agent-safety", "tool-use", "synthetic", "autosafe"}
	if m.data.Offline {
		list = append(list, "not-for-training")
	}
	for _, o := range m.outputs {
		for _, kind := range []string{"sft", "dpo", "kto"} {
			if strings.HasSuffix(o.format(), "_"+kind) && !slices.Contains(list, kind) {
				list = append(list, kind)
			}
		}
	}
	for _, tag := range m.said.Tags {
		if !slices.Contains(list, tag) {
			list = append(list, tag)
		}
	}
	return list
}

// configs tells the Hub which files are which split of which output. Outputs
// that have no rows at all are none.
func (m *maker) configs(p *page.Markdown) {
	first := true
	for _, o := range m.outputs {
		if len(o.order) == 0 {
			continue
		}
		if first {
			p.WriteString("configs:\n")
		}
		fmt.Fprintf(p, "- config_name: %s\n", jsonText(o.name))
		if first {
			p.WriteString("  default: true\n")
		}
		first = false
		p.WriteString("  data_files:\n")
		for _, split := range o.order {
			fmt.Fprintf(p, "  - split: %s\n    path: %s\n", jsonText(hubSplit(split)), pathsOf(o.splits[split]))
		}
	}
}

// hubSplit is a split's name as the Hub takes it.
func hubSplit(name string) string { return strings.ReplaceAll(name, "-", "_") }

// shard is the name of one file of several.
var shard = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^(.+)-\d{5}-of-\d{5}(\..+)$`) })

// pathsOf names the files of a split: one, the pattern that all shards have, or
// all of them.
func pathsOf(files []file) string {
	if len(files) == 1 {
		return jsonText(files[0].path)
	}
	pattern := ""
	var paths []string
	for i, f := range files {
		paths = append(paths, f.path)
		match := shard().FindStringSubmatch(path.Base(f.path))
		if match == nil {
			return jsonText(allPaths(files))
		}
		one := path.Join(path.Dir(f.path), match[1]+"-*"+match[2])
		if i > 0 && one != pattern {
			return jsonText(allPaths(files))
		}
		pattern = one
	}
	if len(paths) == 0 {
		return "[]"
	}
	return jsonText(pattern)
}

func allPaths(files []file) []string {
	var list []string
	for _, f := range files {
		list = append(list, f.path)
	}
	return list
}

// datasetInfo tells how many rows the files hold, of outputs whose files say
// it.
func (m *maker) datasetInfo(p *page.Markdown) {
	first := true
	for _, o := range m.outputs {
		rows, size, known := map[string]int64{}, map[string]int64{}, len(o.order) > 0
		var all int64
		for split, files := range o.splits {
			for _, f := range files {
				known = known && f.rows > 0
				rows[split] += f.rows
				size[split] += f.size
				all += f.size
			}
		}
		if !known {
			continue
		}
		if first {
			p.WriteString("dataset_info:\n")
		}
		first = false
		fmt.Fprintf(p, "- config_name: %s\n  splits:\n", jsonText(o.name))
		for _, split := range o.order {
			fmt.Fprintf(p, "  - name: %s\n    num_bytes: %d\n    num_examples: %d\n", jsonText(hubSplit(split)), size[split], rows[split])
		}
		fmt.Fprintf(p, "  download_size: %d\n  dataset_size: %[1]d\n", all)
	}
}
