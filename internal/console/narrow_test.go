package console

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/labels"
)

const twoNamespaces = `[{"metadata":{"name":"b","labels":{"app":"x"},"generation":10}},{"metadata":{"name":"a","generation":9}}]`

func TestSortByComparesNumbersByTheirSize(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{".metadata.generation": "a b", "{.metadata.name}": "a b", "metadata.labels.app": "a b", "": "b a"} {
		var out bytes.Buffer
		if err := WriteList(&out, "namespaces", json.RawMessage(twoNamespaces), Selection{SortBy: path, NoHeaders: true}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(strings.Fields(out.String()), " "); got != want {
			t.Errorf("by %q: %q, want %q", path, got, want)
		}
	}
}

func TestLabelsSelect(t *testing.T) {
	t.Parallel()
	selector, err := labels.Parse("app!=x")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := WriteList(&out, "namespaces", json.RawMessage(twoNamespaces), Selection{Labels: selector, Output: "name"}); err != nil || out.String() != "namespaces/a\n" {
		t.Errorf("%q, %v", &out, err)
	}
}

// TestFollowerPrintsChangesOnly: a row that stays is printed once.
func TestFollowerPrintsChangesOnly(t *testing.T) {
	t.Parallel()
	for output, want := range map[string]string{
		"":     "NAME\na\nb\na   (gone)\n",
		"name": "namespaces/a\nnamespaces/b\n",
		"yaml": "---\nmetadata:\n  name: a\nspec: {}\nstatus: {}\n---\nmetadata:\n  name: b\nspec: {}\nstatus: {}\n",
	} {
		var f Follower
		var out bytes.Buffer
		for _, list := range []string{`["a"]`, `["a"]`, `["a","b"]`, `["b"]`} {
			items := strings.NewReplacer(`["`, `[{"metadata":{"name":"`, `","`, `"}},{"metadata":{"name":"`, `"]`, `"}}]`).Replace(list)
			if err := f.Write(&out, "namespaces", json.RawMessage(items), Selection{Output: output}); err != nil {
				t.Fatal(err)
			}
		}
		got := strings.ReplaceAll(strings.ReplaceAll(out.String(), "  creationTimestamp: null\n", ""), " \n", "\n")
		if squeeze(got) != squeeze(want) {
			t.Errorf("-o %s:\n%s\nwant:\n%s", output, got, want)
		}
	}
}

// squeeze drops the runs of blanks and the columns without a value.
func squeeze(s string) string {
	var lines []string
	for line := range strings.Lines(strings.ReplaceAll(strings.ReplaceAll(s, "AGE", ""), "<none>", "")) {
		lines = append(lines, strings.Join(strings.Fields(strings.ReplaceAll(line, " - ", " ")), " "))
	}
	return strings.Join(lines, "\n")
}
