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

// TestFirewallPolicy: rules of an Ingress come before those of all hosts, and its
// settings count.
func TestFirewallPolicy(t *testing.T) {
	t.Parallel()
	all := Firewall{On: true, CoreRules: true, Snippet: "SecRuleEngine On\nSecAction \"id:1\""}
	for _, tt := range []struct {
		name        string
		own, global Firewall
		want        string
	}{
		{"off", Firewall{}, Firewall{}, ""},
		{"off for this Ingress", Firewall{Written: true}, all, ""},
		{"only of all hosts", Firewall{}, all, all.Snippet + "\n" + IncludeCoreRules},
		{"only of the Ingress", Firewall{On: true, Written: true, CoreRules: true}, Firewall{}, IncludeRecommended + "\n" + IncludeCoreRules},
		{
			"exceptions first",
			Firewall{Snippet: "SecRule A \\\nSecRuleEngine On\n secruleengine DetectionOnly \nSecRequestBodyAccess Off\nSecRuleRemoveById 7"},
			all,
			"SecRule A \\\nSecRuleEngine On\n secruleengine DetectionOnly \nSecRequestBodyAccess Off\nSecRuleRemoveById 7\n" + all.Snippet + "\n" + IncludeCoreRules +
				"\nsecruleengine DetectionOnly\nSecRequestBodyAccess Off",
		},
		{"the core rules once", Firewall{CoreRules: true}, all, all.Snippet + "\n" + IncludeCoreRules},
		{"the core rules beside the settings of all hosts", Firewall{CoreRules: true}, Firewall{On: true}, IncludeCoreRules + "\n" + IncludeRecommended},
	} {
		got := ""
		if policy := tt.own.Policy(&tt.global); policy != nil {
			got = policy.Rules
		}
		if got != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
}
