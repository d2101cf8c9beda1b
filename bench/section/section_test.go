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

func TestReplaceByALongerTextKeepsWhatFollows(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "report.md")
	for _, text := range []string{"## One\n\nfirst\n", "## Two\n\nsecond\n", "## One\n\nmuch longer than it was\n"} {
		if err := Replace(path, text); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, path, "## One\n\nmuch longer than it was\n\n## Two\n\nsecond\n")
}

func TestHeadReplacesOnlyWhatStandsAboveTheSections(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "report.md")
	for _, step := range []struct{ text, want string }{
		{"# First\n\nof two\n", "# First\n\nof two\n"},
		{"# Second\n", "# Second\n"},
	} {
		if err := Head(path, step.text); err != nil {
			t.Fatal(err)
		}
		expect(t, path, step.want)
	}
	if err := Replace(path, "## One\n\nfirst\n"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Head(path, "# Third\n"); err != nil {
			t.Fatal(err)
		}
		expect(t, path, "# Third\n\n## One\n\nfirst\n")
	}
}

func TestSplitReturnsEachSection(t *testing.T) {
	t.Parallel()
	got := Split("## One\n\nfirst\n\n## Two\n\n### not one\n")
	if diff := cmp.Diff([]string{"## One\n\nfirst\n", "## Two\n\n### not one"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func expect(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
