package waf

import (
	"testing"
)

// TestExceptions: rules are changed and removed wherever the text says so, and
// what is said about rules that are not there does nothing.
func TestExceptions(t *testing.T) {
	t.Parallel()
	const (
		core   = "\nInclude @crs-setup.conf.example\nInclude @owasp_crs/*.conf"
		rule   = "\nSecRule ARGS:a \"@streq x\" \"id:77,phase:1,deny,status:418,tag:'mine',msg:'found it'\""
		attack = "/?id=1%27%20or%20%271%27=%271%27--%20-"
	)
	for _, c := range []struct {
		name, text, target string
		status             int
	}{
		{"no exception", rule, "/?a=x", 418},
		{"removed before", "SecRuleRemoveById 77" + rule, "/?a=x", 0},
		{"removed after", rule + "\nSecRuleRemoveById 70-80", "/?a=x", 0},
		{"by tag", "SecRuleRemoveByTag mine" + rule, "/?a=x", 0},
		{"by message", "SecRuleRemoveByMsg \"found it\"" + rule, "/?a=x", 0},
		{"another is removed", "SecRuleRemoveById 78" + rule, "/?a=x", 418},
		{"its target before", "SecRuleUpdateTargetById 77 \"!ARGS:a\"" + rule, "/?a=x", 0},
		{"its target by tag", "SecRuleUpdateTargetByTag mine \"!ARGS:a\"" + rule, "/?a=x", 0},
		{"its action before", "SecRuleUpdateActionById 77 \"deny,status:451\"" + rule, "/?a=x", 451},
		{"changed and removed", "SecRuleRemoveById 77\nSecRuleUpdateTargetById 77 \"!ARGS:b\"" + rule, "/?a=x", 0},
		{"changed, but not there", "SecRuleUpdateTargetById 78 \"!ARGS:a\"\nSecRuleUpdateActionById 910100 \"pass\"" + rule, "/?a=x", 418},
		{"the core rules", core, attack, 403},
		{"their judgement is removed before", "SecRuleRemoveById 949110" + core, attack, 0},
		{"their targets before", "SecRuleUpdateTargetByTag OWASP_CRS \"!ARGS:id\"" + core, attack, 0},
		{"a target of one", "SecRuleUpdateTargetById 942100 \"!ARGS:id\"\nSecRuleUpdateTargetById 910100 \"!ARGS:id\"" + core, "/?id=7", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := rules(t, store(), "SecRuleEngine On\n"+c.text)
			if _, got := judge(r, subject(c.target), "", ""); got.Status != c.status {
				t.Errorf("status %d instead of %d", got.Status, c.status)
			}
		})
	}
}
