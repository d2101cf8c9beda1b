package section

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReplaceKeepsOtherSections(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "report.md")
	for _, text := range []string{"## One\n\nfirst\n", "\n## Two\n\nsecond\n", "## One\n\nagain\n", "## Two\n\nonce more\n\n"} {
		if err := Replace(path, text); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("## One\n\nagain\n\n## Two\n\nonce more\n", string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
