package codebase

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"daemun/internal/problems"
)

var problemCode = regexp.MustCompile(`^DMN[0-9]{4}$`)

// TestProblemCodesAreDocumented keeps internal/problems complete and the codes
// unique: a user looks a code up by its text, so it must mean one thing.
func TestProblemCodesAreDocumented(t *testing.T) {
	t.Parallel()
	rows := map[string]bool{}
	for _, g := range problems.Groups() {
		for _, c := range g.Codes {
			rows[c.Code] = true
		}
	}
	defined := map[string]string{}
	for _, c := range codeConstants(t) {
		if first, twice := defined[c.code]; twice {
			t.Errorf("%s is defined twice: %s and %s", c.code, first, c.place)
		}
		defined[c.code] = c.place
		if !rows[c.code] {
			t.Errorf("%s: internal/problems/codes.go has no entry for %s", c.place, c.code)
		}
	}
	for code := range rows {
		if _, ok := defined[code]; !ok {
			t.Errorf("internal/problems/codes.go has an entry for %s, which no code defines", code)
		}
	}
}

// constant is a problem code in the source, with where it stands and its name.
type constant struct{ code, place string }

// codeConstants finds the string constants below internal that are a problem
// code, and refuses such strings outside of constants: a code without a name
// would escape the check for doubles. The reference itself is not looked at.
func codeConstants(t *testing.T) []constant {
	t.Helper()
	var found []constant
	root := filepath.FromSlash("../..")
	err := filepath.WalkDir(filepath.Join(root, "internal"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Base(filepath.Dir(path)) == "problems" || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		constants := codesIn(file)
		ast.Inspect(file, func(n ast.Node) bool {
			literal, ok := n.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING {
				return true
			}
			code, err := strconv.Unquote(literal.Value)
			if err != nil || !problemCode.MatchString(code) {
				return true
			}
			place := strings.TrimPrefix(files.Position(literal.Pos()).String(), root+string(filepath.Separator))
			name, ok := constants[literal]
			if !ok {
				t.Errorf("%s: %s is not a named constant", place, code)
			}
			found = append(found, constant{code, place + " " + name})
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// codesIn maps the literals that are values of constants to their names.
func codesIn(file *ast.File) map[*ast.BasicLit]string {
	names := map[*ast.BasicLit]string{}
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			spec := s.(*ast.ValueSpec)
			for i, value := range spec.Values {
				if literal, ok := value.(*ast.BasicLit); ok {
					names[literal] = spec.Names[i].Name
				}
			}
		}
	}
	return names
}
