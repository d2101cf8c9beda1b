package translate

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"daemun/internal/annotation"

	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"
)

// aboutBadValues are the codes that say that a value is no good. What else
// names an annotation is about its company: a gate that is closed, an object
// that is missing, another annotation that wins.
var aboutBadValues = []string{
	annotation.CodeDefault, annotation.CodeRejected, annotation.CodeDenied,
	CodeSnippet, CodeRules, // judged by who knows the language
}

// use is what the golden files say about one annotation.
type use struct{ written, valid, invalid bool }

// TestEveryAnnotationIsInGoldenFiles: each annotation that is supported has,
// under each of its names, a case with a valid value, which no problem names,
// and one with an invalid value. All others have one case at least.
func TestEveryAnnotationIsInGoldenFiles(t *testing.T) {
	t.Parallel()
	uses := usesInGoldenFiles(t)
	for _, row := range annotation.All() {
		for _, name := range append([]string{row.Name}, row.Aliases...) {
			u := uses[name]
			switch {
			case row.Support != annotation.Supported:
				if !u.written {
					t.Errorf("%s is in no golden file", name)
				}
			case !u.valid:
				t.Errorf("%s is in no golden file with a valid value", name)
			case !u.invalid:
				t.Errorf("%s is in no golden file with an invalid value", name)
			}
		}
	}
}

func usesInGoldenFiles(t *testing.T) map[string]use {
	t.Helper()
	files, err := filepath.Glob("testdata/*/*.in.yaml")
	if err != nil {
		t.Fatal(err)
	}
	uses := map[string]use{}
	for _, file := range files {
		in, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out, err := os.ReadFile(strings.TrimSuffix(file, ".in.yaml") + ".out.yaml")
		if err != nil {
			t.Fatal(err)
		}
		var printed struct{ Problems []string }
		if err := yaml.Unmarshal(out, &printed); err != nil {
			t.Fatal(err)
		}
		options, objects := decode(t, in)
		for _, o := range objects {
			if ing, ok := o.(*networkingv1.Ingress); ok {
				note(uses, options.AnnotationsPrefix, ing, printed.Problems)
			}
		}
	}
	return uses
}

var codeAtEnd = regexp.MustCompile(`\[(DMN[0-9]+)\]$`)

// note adds the annotations of one Ingress, as its problems tell them apart.
func note(uses map[string]use, prefix string, ing *networkingv1.Ingress, problems []string) {
	for key := range ing.Annotations {
		name, ours := strings.CutPrefix(key, prefix+"/")
		if !ours {
			continue
		}
		u := uses[name]
		u.written = true
		named := false
		about := "Ingress " + ing.Namespace + "/" + ing.Name + ": " + annotation.Field(key) + ": "
		for _, p := range problems {
			if code := codeAtEnd.FindStringSubmatch(p); strings.Contains(p, about) && code != nil {
				named = true
				u.invalid = u.invalid || slices.Contains(aboutBadValues, code[1])
			}
		}
		u.valid = u.valid || !named
		uses[name] = u
	}
}
