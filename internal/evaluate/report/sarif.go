package report

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"
)

// The parts of SARIF 2.1.0 that are written here. A failed assert is a result;
// one that holds is a rule only, as services show every result as a problem.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool              sarifTool          `json:"tool"`
		AutomationDetails sarifID            `json:"automationDetails"`
		ColumnKind        string             `json:"columnKind"`
		BaseIDs           map[string]sarifAt `json:"originalUriBaseIds"`
		Results           []sarifResult      `json:"results"`
		Properties        map[string]any     `json:"properties"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID      string     `json:"id"`
		Name    string     `json:"name"`
		Short   sarifText  `json:"shortDescription"`
		Full    sarifText  `json:"fullDescription"`
		Help    sarifText  `json:"help"`
		Default sarifLevel `json:"defaultConfiguration"`
	}
	sarifID struct {
		ID string `json:"id"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifLevel struct {
		Level string `json:"level"`
	}
	sarifResult struct {
		RuleID       string            `json:"ruleId"`
		RuleIndex    int               `json:"ruleIndex"`
		Level        string            `json:"level"`
		Message      sarifText         `json:"message"`
		Locations    []sarifLocation   `json:"locations"`
		Fingerprints map[string]string `json:"partialFingerprints"`
	}
	sarifLocation struct {
		Physical sarifPhysical `json:"physicalLocation"`
	}
	sarifPhysical struct {
		Artifact sarifAt     `json:"artifactLocation"`
		Region   sarifRegion `json:"region"`
	}
	sarifAt struct {
		URI         string     `json:"uri,omitempty"`
		BaseID      string     `json:"uriBaseId,omitempty"`
		Description *sarifText `json:"description,omitempty"`
	}
	sarifRegion struct {
		StartLine int `json:"startLine"`
		EndLine   int `json:"endLine"`
	}
)

// recipeBase stands for the folder of the recipe.
const recipeBase = "RECIPE"

// sarif is the asserts that failed, at their lines.
func (m *maker) sarif() ([]byte, error) {
	address := oneLine(m.in.Evaluation.Step.Address, maxInline)
	run := sarifRun{
		Tool:              sarifTool{sarifDriver{Name: "autosafe", InformationURI: "https://github.com/autosafe/autosafe", Rules: []sarifRule{}}},
		AutomationDetails: sarifID{"autosafe/" + address + "/"},
		ColumnKind:        "unicodeCodePoints",
		BaseIDs:           map[string]sarifAt{recipeBase: {Description: &sarifText{"The folder of the recipe."}}},
		Results:           []sarifResult{},
		Properties:        map[string]any{"protocol": oneLine(m.body.Protocol, maxInline), "scenarios": m.scenarios, "samples": m.body.Samples, "offline": m.in.Evaluation.Offline},
	}
	if m.in.Evaluation.Offline {
		run.Properties["note"] = offlineNote
	}
	for i, a := range m.in.Asserts {
		id := address + ".assert." + oneLine(a.Name, maxInline)
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{
			ID: id, Name: oneLine(a.Name, maxInline), Short: sarifText{"The assert " + oneLine(a.Name, maxInline) + " of " + address},
			Full: sarifText{unlinked(oneLine("It asks that "+a.That, maxText))}, Help: sarifText{"The report beside this file has the figures: " + MarkdownName}, Default: sarifLevel{"error"},
		})
		if a.OK {
			continue
		}
		message := unlinked(lines(a.Message, maxText))
		if message == "" {
			message = "The assert does not hold: " + unlinked(oneLine(a.That, maxText))
		}
		if m.in.Evaluation.Offline {
			message += "\n(The offline model's results.)"
		}
		sum := sha256.Sum256([]byte(id))
		r := sarifResult{RuleID: id, RuleIndex: i, Level: "error", Message: sarifText{message}, Locations: []sarifLocation{}, Fingerprints: map[string]string{"autosafeAssert/v1": hex.EncodeToString(sum[:16])}}
		if at, ok := m.place(a.Name); ok {
			uri := url.URL{Path: at.file}
			r.Locations = append(r.Locations, sarifLocation{sarifPhysical{sarifAt{URI: uri.EscapedPath(), BaseID: recipeBase}, sarifRegion{at.line, at.last}}})
		}
		run.Results = append(run.Results, r)
	}
	return indented(sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}})
}

// unlinked keeps text from being a link, which SARIF's plain messages may have.
func unlinked(s string) string { return strings.ReplaceAll(s, "](", "] (") }
