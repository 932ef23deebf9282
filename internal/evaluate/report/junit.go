package report

import (
	"encoding/xml"
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/autosafe/autosafe/spec"
)

// The parts of JUnit XML that Jenkins, GitLab and GitHub's actions read. Some of
// them want times; that of a figure is 0, as the bytes follow from the figures.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Time     int          `xml:"time,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name       string          `xml:"name,attr"`
		Tests      int             `xml:"tests,attr"`
		Failures   int             `xml:"failures,attr"`
		Errors     int             `xml:"errors,attr"`
		Skipped    int             `xml:"skipped,attr"`
		Time       int             `xml:"time,attr"`
		Properties []junitProperty `xml:"properties>property"`
		Cases      []junitCase     `xml:"testcase"`
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		Time    int           `xml:"time,attr"`
		Failure *junitFailure `xml:"failure"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

// junit is the asserts as test cases.
func (m *maker) junit() ([]byte, error) {
	address := m.in.Evaluation.Step.Address
	suite := junitSuite{Name: xmlText(address), Tests: len(m.in.Asserts), Failures: len(m.failedAsserts()), Properties: []junitProperty{
		{"protocol", xmlText(m.body.Protocol)}, {"scenarios", fmt.Sprint(m.scenarios)}, {"samples", fmt.Sprint(m.body.Samples)}, {"offline", fmt.Sprint(m.in.Evaluation.Offline)},
	}}
	if m.in.Evaluation.Offline {
		suite.Properties = append(suite.Properties, junitProperty{"note", offlineNote})
	}
	for _, a := range m.in.Asserts {
		c := junitCase{Name: xmlText(a.Name), Class: xmlText(address)}
		if !a.OK {
			place := ""
			if at, ok := m.place(a.Name); ok {
				place = fmt.Sprintf("%s:%d: ", at.file, at.line)
			}
			c.Failure = &junitFailure{Message: xmlText(firstLine(a.Message)), Type: "assert", Text: xmlText(place + a.That + "\n" + a.Message)}
		}
		suite.Cases = append(suite.Cases, c)
	}
	text, err := xml.MarshalIndent(junitSuites{Name: "autosafe", Tests: suite.Tests, Failures: suite.Failures, Suites: []junitSuite{suite}}, "", "  ")
	return append([]byte(xml.Header), append(text, '\n')...), err
}

// xmlText is text of a sane length in which nothing is hidden.
func xmlText(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\ufffe' || r == '\uffff' || r == utf8.RuneError {
			return ' '
		}
		return r
	}, lines(s, maxText))
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// place is where in a recipe something is.
type place struct {
	file       string // relative to the recipe's folder
	line, last int
}

// place is where an assert is. Recipes lie in one folder, and have no others.
func (m *maker) place(assert string) (place, bool) {
	for _, a := range m.body.Asserts {
		if a.Name == assert && a.Range.Filename != "" {
			return placeOf(a), true
		}
	}
	return place{}, false
}

func placeOf(a spec.EvaluationAssert) place {
	first := max(a.Range.Start.Line, 1)
	return place{filepath.Base(a.Range.Filename), first, max(a.Range.End.Line, first)}
}
