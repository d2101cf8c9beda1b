package fix

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"daemun/internal/annotation"
	"daemun/internal/ir"
	"daemun/internal/manifest"
)

func none([]byte) []ir.Problem { return nil }

// place finds the line and column of a text.
func place(t *testing.T, text, at string) (line, column int) {
	t.Helper()
	i := strings.Index(text, at)
	if i < 0 {
		t.Fatalf("no %q", at)
	}
	return 1 + strings.Count(text[:i], "\n"), i - strings.LastIndex(text[:i], "\n")
}

const oldIngress = `# the shop
apiVersion: networking.k8s.io/v1beta1  # old
kind: Ingress
metadata:
  name: shop   # its name
  annotations:
    # who serves it
    kubernetes.io/ingress.class: nginx
spec:
  # what else
  backend:
    servicePort: http
    serviceName: rest
  rules:
  - host: shop.test
    http:
      paths:
      - path: /   # all
        backend:
          serviceName: shop   # the shop itself
          servicePort: 80
      - backend: {serviceName: cart, servicePort: 8080}
        path: /cart
---
kind: ConfigMap
`

const newIngress = `# the shop
apiVersion: networking.k8s.io/v1  # old
kind: Ingress
metadata:
  name: shop   # its name
    # who serves it
spec:
  # what else
  ingressClassName: nginx
  defaultBackend:
    service:
      port:
        name: http
      name: rest
  rules:
  - host: shop.test
    http:
      paths:
      - pathType: ImplementationSpecific
        path: /   # all
        backend:
          service:
            name: shop   # the shop itself
            port:
              number: 80
      - pathType: ImplementationSpecific
        backend: {service: {name: cart, port: {number: 8080}}}
        path: /cart
---
kind: ConfigMap
`

func problemAt(t *testing.T, text, at, code, field, message string) ir.Problem {
	line, column := place(t, text, at)
	return ir.Problem{Code: code, Field: field, Message: message, Line: line, Column: column}
}

// TestOldIngressBecomesPresent: comments and blanks stay, the second document
// too.
func TestOldIngressBecomesPresent(t *testing.T) {
	t.Parallel()
	problems := []ir.Problem{
		problemAt(t, oldIngress, "networking", manifest.CodeOldForm, "apiVersion", "… write apiVersion: networking.k8s.io/v1"),
		problemAt(t, oldIngress, "nginx", CodeOldClass, "", ""),
	}
	got, done := Text([]byte(oldIngress), problems, none)
	if diff := cmp.Diff(newIngress, string(got)); diff != "" || len(done) != 2 {
		t.Errorf("%d done:\n%s", len(done), diff)
	}
	windows := strings.ReplaceAll(oldIngress, "\n", "\r\n")
	got, _ = Text([]byte(windows), problems, none)
	if diff := cmp.Diff(strings.ReplaceAll(newIngress, "\n", "\r\n"), string(got)); diff != "" {
		t.Errorf("with CRLF:\n%s", diff)
	}
}

func TestRenames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, at, name, want string }{
		{"a:\n  b: 1 # x\n", "b", "b", "a:\n  right: 1 # x\n"},
		{"a:\n  \"b\": 1\n", "1", "b", "a:\n  \"right\": 1\n"},
		{"a: {ä: b, 'b': 1}\n", "1", "b", ""}, // a letter of two octets: the place is not the one in the text
		{"a: {c: b, b: 1}\n", "1", "b", "a: {c: b, right: 1}\n"},
		{"a:\n  b: 1\n  right: 2\n", "b", "b", ""},
		{"a:\n  b: |\n    text\n", "|", "b", "a:\n  right: |\n    text\n"},
		{"a:\n  ? b\n  : 1\n", "b", "b", "a:\n  ? right\n  : 1\n"},
		{"{\"a\": {\"b\": 1}}", "1", "b", "{\"a\": {\"right\": 1}}"},
		{"a:\n  \"\\x62\": 1\n", "1", "b", ""}, // not written as it reads
	} {
		p := problemAt(t, c.text, c.at, annotation.CodeUnknown, "metadata.annotations["+c.name+"]", "ignored; did you mean right?")
		got, done := Text([]byte(c.text), []ir.Problem{p}, none)
		if c.want == "" {
			if string(got) != c.text || len(done) != 0 {
				t.Errorf("%q was made %q", c.text, got)
			}
			continue
		}
		if string(got) != c.want || len(done) != 1 {
			t.Errorf("%q was made %q, want %q", c.text, got, c.want)
		}
	}
}

// TestNothingGetsWorse: what would bring another problem is not done.
func TestNothingGetsWorse(t *testing.T) {
	t.Parallel()
	text := "a:\n  b: 1\n"
	p := problemAt(t, text, "b", manifest.CodeUnknownField, "a.b", "no such field: did you mean c?")
	found := func(text []byte) []ir.Problem {
		if strings.Contains(string(text), "c: 1") {
			return []ir.Problem{{Code: manifest.CodeWrongType, Field: "a.c"}}
		}
		return []ir.Problem{p}
	}
	if got, done := Text([]byte(text), []ir.Problem{p}, found); string(got) != text || len(done) != 0 {
		t.Errorf("made %q", got)
	}
}

// TestCommentsAreNeverLost: an annotation with a remark stays.
func TestCommentsAreNeverLost(t *testing.T) {
	t.Parallel()
	text := strings.Replace(oldIngress, "ingress.class: nginx", "ingress.class: nginx # for a reason", 1)
	got, _ := Text([]byte(text), []ir.Problem{problemAt(t, text, "nginx", CodeOldClass, "", "")}, none)
	if string(got) != text {
		t.Errorf("made:\n%s", got)
	}
}

func TestWriteKeepsModeAndLink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file.yaml"), filepath.Join(dir, "link.yaml")
	if err := os.WriteFile(file, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("file.yaml", link); err != nil {
		t.Fatal(err)
	}
	if err := Write(link, []byte("other"), []byte("new")); err == nil {
		t.Error("a file that was changed in the meantime was written")
	}
	if err := Write(link, []byte("old"), []byte("new")); err != nil {
		t.Fatal(err)
	}
	state, err := os.Lstat(file)
	if err != nil || state.Mode() != 0o640 {
		t.Errorf("%v, %v", state.Mode(), err)
	}
	if text, _ := os.ReadFile(link); string(text) != "new" {
		t.Errorf("%q", text)
	}
	if list, _ := os.ReadDir(dir); len(list) != 2 {
		t.Errorf("left behind: %v", list)
	}
}

func TestUnified(t *testing.T) {
	t.Parallel()
	before := "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n"
	after := "1\n2\nx\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14"
	want := "--- f\n+++ f\n@@ -1,6 +1,6 @@\n 1\n 2\n-3\n+x\n 4\n 5\n 6\n@@ -10,3 +10,5 @@\n 10\n 11\n 12\n+13\n+14\n\\ No newline at end of file\n"
	if diff := cmp.Diff(want, Unified("f", before, after)); diff != "" {
		t.Error(diff)
	}
}

// FuzzText: whatever the text, it is either left alone or still the same but
// for the keys that were renamed.
func FuzzText(f *testing.F) {
	f.Add(oldIngress, 2, 13)
	f.Add("a: {b: 1, \"b\": 2}\n---\n", 1, 5)
	f.Add("kind: Ingress\napiVersion: x\nspec: {rules: [{http: {paths: [{}]}}]}", 1, 7)
	f.Fuzz(func(t *testing.T, text string, line, column int) {
		problems := []ir.Problem{
			{Code: annotation.CodeUnknown, Field: "b", Message: "did you mean right?", Line: line, Column: column},
			{Code: manifest.CodeOldForm, Message: "write apiVersion: v1", Line: line, Column: column},
			{Code: CodeOldClass, Line: line, Column: column},
		}
		fixed, done := Text([]byte(text), problems, none)
		if len(done) == 0 && string(fixed) != text {
			t.Fatalf("changed for nothing: %q", fixed)
		}
		if len(done) > 0 {
			if _, err := documents(fixed); err != nil {
				t.Fatal(err)
			}
		}
		blank := regexp.MustCompile(`\s`)
		if len(done) > 0 && blank.ReplaceAllString(text, "") == "" {
			t.Fatal("made something of nothing")
		}
	})
}
