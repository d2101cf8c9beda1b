package translate

import (
	"strings"
	"testing"
)

// TestWithoutFirewall: a build without it closes the routes that ask for it, and
// only those.
func TestWithoutFirewall(t *testing.T) {
	t.Parallel()
	o := DefaultOptions()
	code, wrong := o.checkRules("SecRuleEngine On")
	if code != CodeNoFirewall || !strings.Contains(wrong, "tag waf") {
		t.Errorf("%s %s", code, wrong)
	}
}
