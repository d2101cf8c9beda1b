package table

import (
	"testing"

	"daemun/internal/backtrack"
	"daemun/internal/ir"
)

// TestAliasBeyondTheLinearEngine pins that an alias may have a back-reference.
func TestAliasBeyondTheLinearEngine(t *testing.T) {
	t.Parallel()
	n := newNames([]*ir.Host{{}, {Name: "web.test", Aliases: []string{`~^(a|b)\1\.test$`, `~^(c)++d\.test$`}}}, backtrack.Compile)
	for name, want := range map[string]int{"aa.test": 1, "BB.test": 1, "ab.test": 0, "ccd.test": 1, "d.test": 0} {
		if at, _ := n.find([]byte(name)); at != want {
			t.Errorf("%s: %d", name, at)
		}
	}
}
