package console

import (
	"encoding/json"
	"io"
	"path/filepath"
	"slices"

	"daemun/internal/ir"
)

// The parts of a SARIF 2.1.0 log that are used here, named as there.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool     `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version,omitempty"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID string `json:"id"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		RuleIndex int             `json:"ruleIndex"`
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations"`
	}
	sarifLocation struct {
		Physical *sarifPhysical `json:"physicalLocation,omitempty"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn,omitempty"`
	}
	sarifLogical struct {
		Name string `json:"fullyQualifiedName"`
		Kind string `json:"kind"`
	}
)

// WriteSARIF prints problems as code hosts and editors read them.
func WriteSARIF(w io.Writer, version string, problems []ir.Problem) error {
	run := sarifRun{ColumnKind: "unicodeCodePoints", Results: []sarifResult{}}
	run.Tool.Driver = sarifDriver{Name: "daemun", Version: version, Rules: []sarifRule{}}
	rules := &run.Tool.Driver.Rules
	for _, p := range problems {
		rule := slices.Index(*rules, sarifRule{p.Code})
		if rule < 0 {
			rule = len(*rules)
			*rules = append(*rules, sarifRule{p.Code})
		}
		run.Results = append(run.Results, sarifResult{
			RuleID: p.Code, RuleIndex: rule, Level: sarifLevel(p.Severity), Message: sarifText{sentence(p)}, Locations: sarifLocations(p),
		})
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}})
}

// sentence is a problem without place and code, which are elsewhere.
func sentence(p ir.Problem) string {
	p.File, p.Code = "", ""
	return p.String()
}

func sarifLevel(s ir.Severity) string {
	if s == ir.SeverityNotice {
		return "note"
	}
	return string(s) // "error" and "warning" are SARIF's words, too
}

func sarifLocations(p ir.Problem) []sarifLocation {
	var l sarifLocation
	if p.File != "" {
		l.Physical = &sarifPhysical{Artifact: sarifArtifact{filepath.ToSlash(p.File)}}
		if p.Line > 0 {
			l.Physical.Region = &sarifRegion{p.Line, p.Column}
		}
	}
	if p.Object != (ir.Ref{}) {
		l.Logical = []sarifLogical{{p.Object.String(), "object"}}
	}
	if l.Physical == nil && l.Logical == nil {
		return []sarifLocation{}
	}
	return []sarifLocation{l}
}
