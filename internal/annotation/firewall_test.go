package annotation

import "testing"

// TestRulesText: rules are taken with the backslashes that nginx.conf wants, and
// without.
func TestRulesText(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ written, want string }{
		{`SecRuleEngine On`, `SecRuleEngine On`},
		{`SecRule A \"b\" \"log,id:1,msg:\'UA blocked\'\"`, `SecRule A "b" "log,id:1,msg:'UA blocked'"`},
		{`SecRule A "b" "log,id:1,msg:\'UA blocked\'"`, `SecRule A "b" "log,id:1,msg:'UA blocked'"`},
		{`SecRule A "b" "log,id:1,msg:'UA blocked'"`, `SecRule A "b" "log,id:1,msg:'UA blocked'"`},
		{`SecRule A "@rx \"\\d" "id:1,msg:'x'"`, `SecRule A "@rx \"\\d" "id:1,msg:'x'"`},
		{`SecRule A "@rx \\\"\d\\w" "id:1"`, `SecRule A "@rx \"\d\w" "id:1"`},
		{`SecRuleEngine On\nSecRequestBodyAccess On`, "SecRuleEngine On\nSecRequestBodyAccess On"},
		{"SecRule A \\\n  b", "SecRule A \\\n  b"},
		{`a\`, `a\`},
		{`\t\r`, "\t\r"},
	} {
		if got := RulesText(tt.written); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.written, got, tt.want)
		}
	}
}
