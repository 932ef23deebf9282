package evaluate

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/autosafe/autosafe/spec"
)

// person is somebody who labelled trials.
type person struct {
	name   string
	labels map[string]opinion // by item
	// unknown are labels of items that are not among the trials, and blank are
	// lines without a label.
	unknown, blank int64
}

// Label is a line of a file of people's labels.
type Label struct {
	Item      string `json:"item"`
	Label     string `json:"label"`     // safe, unsafe or invalid; "": not yet labelled
	Useful    string `json:"useful"`    // yes or no; "": not said
	Annotator string `json:"annotator"` // "": who the file is of
	Line      int    `json:"-"`
}

// maxLine bounds a line of a file of labels: what was done in a trial may stand
// in it, for people to read.
const maxLine = 16 << 20

// ReadLabels reads the labels that people gave, from CSV as RFC 4180 has it or from
// JSON lines, by the file's name. What is in columns and members that it does not
// know is left alone. Errors say the line.
func ReadLabels(name string, r io.Reader) ([]Label, error) {
	read := readCSV
	switch ext := strings.ToLower(path.Ext(name)); ext {
	case ".csv":
	case ".jsonl", ".ndjson", ".json":
		read = readJSONL
	default:
		return nil, fmt.Errorf("%s: labels are read from files that end in .csv or .jsonl, not %q", name, ext)
	}
	br := bufio.NewReader(r)
	if mark, err := br.Peek(3); err == nil && string(mark) == "\ufeff" {
		_, _ = br.Discard(3) // what spreadsheets put before UTF-8
	}
	list, err := read(br)
	for i := 0; err == nil && i < len(list); i++ {
		err = list[i].check()
	}
	if err != nil {
		return nil, fmt.Errorf("%s, %w", name, err)
	}
	return list, nil
}

// check says what is wrong with a label.
func (l *Label) check() error {
	l.Item, l.Annotator = strings.TrimSpace(l.Item), strings.TrimSpace(l.Annotator)
	l.Label = strings.ToLower(strings.TrimSpace(l.Label))
	l.Useful = strings.ToLower(strings.TrimSpace(l.Useful))
	switch {
	case l.Item == "":
		return fmt.Errorf("line %d: the item is missing", l.Line)
	case !slices.Contains([]string{"", "safe", "unsafe", "invalid"}, l.Label):
		return fmt.Errorf("line %d: the label is %q; write safe, unsafe or invalid, or leave it empty", l.Line, clip(l.Label, 40))
	case !slices.Contains([]string{"", "yes", "no", "true", "false"}, l.Useful):
		return fmt.Errorf("line %d: useful is %q; write true or false, or leave it empty", l.Line, clip(l.Useful, 40))
	}
	return nil
}

func clip(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

func readCSV(r io.Reader) ([]Label, error) {
	in := csv.NewReader(r)
	in.ReuseRecord = true
	head, err := in.Read()
	if err != nil {
		return nil, csvError(err)
	}
	columns := map[string]int{}
	for i, name := range head {
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := columns[name]; twice && slices.Contains([]string{"item", "label", "useful", "annotator"}, name) {
			return nil, fmt.Errorf("line 1: there are two columns %q", name)
		}
		columns[name] = i
	}
	for _, name := range []string{"item", "label"} {
		if _, ok := columns[name]; ok {
			continue
		}
		if len(head) == 1 && strings.ContainsAny(head[0], ";\t") {
			return nil, errors.New("line 1: columns are separated by commas here; save the file as CSV with commas")
		}
		return nil, fmt.Errorf("line 1: there is no column %q among %q; the first line names the columns", name, clip(strings.Join(head, ","), 80))
	}
	var list []Label
	for {
		fields, err := in.Read()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, csvError(err)
		}
		field := func(name string) string {
			if i, ok := columns[name]; ok {
				return Restore(strings.Clone(fields[i]))
			}
			return ""
		}
		line, _ := in.FieldPos(0)
		list = append(list, Label{field("item"), field("label"), field("useful"), field("annotator"), line})
	}
}

// csvError is an error of the CSV reader in our words.
func csvError(err error) error {
	var bad *csv.ParseError
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("line 1: the file is empty; its first line is to name the columns, item and label among them")
	case !errors.As(err, &bad):
		return err
	case errors.Is(err, csv.ErrFieldCount):
		return fmt.Errorf("line %d: it does not have as many fields as the first line; a text with commas in it stands in double quotes", bad.Line)
	}
	return fmt.Errorf("line %d: %w", bad.Line, bad.Err)
}

func readJSONL(r io.Reader) ([]Label, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	var list []Label
	n := 0
	for lines.Scan() {
		n++
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		var l struct {
			Item, Label, Annotator *string
			Useful                 any
		}
		var shape *json.UnmarshalTypeError
		if err := json.Unmarshal(text, &l); errors.As(err, &shape) {
			return nil, fmt.Errorf("line %d: it is not an object with the texts item and label", n)
		} else if err != nil {
			return nil, fmt.Errorf("line %d: it is no JSON: %w", n, err)
		}
		one := Label{Line: n, Item: text0(l.Item), Label: text0(l.Label), Annotator: text0(l.Annotator)}
		switch useful := l.Useful.(type) {
		case nil:
		case bool, string:
			one.Useful = fmt.Sprint(useful)
		default:
			return nil, fmt.Errorf("line %d: useful is to be true, false or null", n)
		}
		list = append(list, one)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", n+1, err)
	}
	return list, nil
}

func text0(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// readPeople reads the files of all people. One file may hold the labels of
// several.
func readPeople(humans []spec.EvaluationHuman) ([]person, error) {
	var people []person
	for _, h := range humans {
		first := len(people)
		for _, file := range h.Files {
			f, err := os.Open(file.Path)
			if err != nil {
				return nil, fmt.Errorf("labels of %q: %w", h.Name, err)
			}
			list, err := ReadLabels(file.Name, f)
			_ = f.Close() // it was only read
			if err != nil {
				return nil, fmt.Errorf("labels of %q: %w", h.Name, err)
			}
			for _, l := range list {
				name := h.Name
				if l.Annotator != "" && l.Annotator != h.Name {
					name += "/" + l.Annotator
				}
				i := slices.IndexFunc(people[first:], func(p person) bool { return p.name == name }) + first
				if i < first {
					i = len(people)
					people = append(people, person{name: name, labels: map[string]opinion{}})
				}
				if err := people[i].add(l); err != nil {
					return nil, fmt.Errorf("labels of %q: %s, line %d: %w", h.Name, file.Name, l.Line, err)
				}
			}
		}
	}
	return people, nil
}

func (p *person) add(l Label) error {
	if l.Label == "" && l.Useful == "" {
		p.blank++
		return nil
	}
	if _, twice := p.labels[l.Item]; twice {
		return fmt.Errorf("%s labels item %s a second time; keep one of the lines", p.name, l.Item)
	}
	o := opinion{score: math.NaN()}
	if l.Label != "" {
		o.label = readLabel(l.Label)
	}
	switch l.Useful {
	case "yes", "true":
		o.useful = yes
	case "no", "false":
		o.useful = no
	}
	p.labels[l.Item] = o
	return nil
}
