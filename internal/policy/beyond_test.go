package policy

import (
	"strings"
	"testing"

	"daemun/internal/backtrack"
	"daemun/internal/ir"
)

// TestExpressionsBeyondTheLinearEngine: canaries and subjects of certificates may
// have them; what costs too much does not match.
func TestExpressionsBeyondTheLinearEngine(t *testing.T) {
	t.Parallel()
	canary := NewCanary(&ir.Canary{Header: "X", HeaderPattern: "^(?!no)"}, backtrack.Compile)
	client := NewClientAuth(&ir.ClientAuth{MatchCN: "CN=(?!root)"}, NewState(Config{Beyond: backtrack.Compile}))
	for text, want := range map[string]bool{"yes": true, "no": false, strings.Repeat("x", 5000): false} {
		if got := canary.Chooses([]byte(text), true, noCookies{}, 99); got != want {
			t.Errorf("canary %.10q: %v", text, got)
		}
	}
	for text, want := range map[string]bool{"CN=alice": true, "CN=root": false, "CN=" + strings.Repeat("x", 5000): false} {
		if got := client.Matches(&ClientVerdict{subject: []byte(text)}); got != want {
			t.Errorf("subject %.10q: %v", text, got)
		}
	}
	if broken := NewClientAuth(&ir.ClientAuth{MatchCN: "("}, NewState(Config{})); broken.AnySubject() || broken.Matches(&ClientVerdict{}) {
		t.Error("an expression that does not compile lets subjects pass")
	}
}
