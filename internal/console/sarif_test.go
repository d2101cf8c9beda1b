package console

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"daemun/internal/ir"
)

// sarifRequired are the properties that the schema of SARIF 2.1.0 wants at each
// kind of object, and the values that it restricts.
func sarifRequired() map[string][]string {
	return map[string][]string{
		"": {"version", "runs"}, "runs": {"tool"}, "tool": {"driver"}, "driver": {"name"}, "rules": {"id"},
		"results": {"message"}, "message": {"text"}, "logicalLocations": {"fullyQualifiedName"}, "artifactLocation": {"uri"}, "region": {"startLine"},
	}
}

// TestSARIFHasTheShapeOfItsSchema also checks what the schema says of values:
// rule indexes that exist, levels of its list, lines from 1.
func TestSARIFHasTheShapeOfItsSchema(t *testing.T) {
	t.Parallel()
	problems := []ir.Problem{
		{Code: "DMN0104", Severity: ir.SeverityError, Object: ir.Ref{Kind: "Service", Name: "a"}, Field: "spec", File: "dir/a.yaml", Line: 3, Column: 4, Message: "one"},
		{Code: "DMN0118", Severity: ir.SeverityWarning, File: "dir", Message: "two"},
		{Code: "DMN0109", Severity: ir.SeverityNotice, Message: "three"},
		{Code: "DMN0104", Severity: ir.SeverityError, Object: ir.Ref{Kind: "Service", Name: "b"}, Message: "four"},
	}
	for _, list := range [][]ir.Problem{problems, nil} {
		var out bytes.Buffer
		if err := WriteSARIF(&out, "v1", list); err != nil {
			t.Fatal(err)
		}
		var log any
		if err := json.Unmarshal(out.Bytes(), &log); err != nil {
			t.Fatal(err)
		}
		shape(t, "", log)
		var typed sarifLog
		if err := json.Unmarshal(out.Bytes(), &typed); err != nil || typed.Version != "2.1.0" || len(typed.Runs) != 1 || len(typed.Runs[0].Results) != len(list) {
			t.Fatalf("%v\n%s", err, &out)
		}
		rules := typed.Runs[0].Tool.Driver.Rules
		for _, r := range typed.Runs[0].Results {
			if rules[r.RuleIndex].ID != r.RuleID || !slices.Contains([]string{"none", "note", "warning", "error"}, r.Level) {
				t.Errorf("%+v", r)
			}
		}
	}
}

// shape walks everything that is named in the schema.
func shape(t *testing.T, name string, v any) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			shape(t, name, item)
		}
	case map[string]any:
		for _, want := range sarifRequired()[name] {
			if _, ok := v[want]; !ok {
				t.Errorf("%q lacks %q: %v", name, want, v)
			}
		}
		for key, value := range v {
			if value == nil {
				t.Errorf("%s.%s is null", name, key)
			}
			shape(t, key, value)
		}
	}
}
