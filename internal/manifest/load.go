package manifest

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"

	"daemun/internal/ir"
	"daemun/internal/store"
)

// file is what one file held when it was read last.
type file struct {
	path string
	info os.FileInfo
	// racy says that the file was written so shortly before it was read that
	// a further change need not show in its times.
	racy     bool
	objects  []*object
	problems []ir.Problem
	unused   map[string]int
}

// racyAge is more than any file system's coarsest kernel tick.
const racyAge = 50 * time.Millisecond

// Load reads everything again that has changed and returns the difference.
// Only a path that the user named and that does not exist at the first Load
// is an error; all else becomes problems.
func (l *Loader) Load() (Change, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unsettled = nil
	c, _, err := l.load()
	return c, err
}

// load is Load; news says that problems may have changed too.
func (l *Loader) load() (c Change, news bool, err error) {
	s, err := l.scanPaths()
	if err != nil {
		return Change{}, false, err
	}
	touched := map[store.Key]bool{}
	if !l.loaded {
		l.readStdin(touched)
	}
	l.loaded = true
	news = !slices.Equal(s.problems, l.scanProblems)
	l.scanProblems, l.folders, l.targets = s.problems, s.folders, s.targets
	for path, f := range l.files {
		if _, there := s.files[path]; !there && path != stdinName {
			l.replace(f, &file{path: path}, touched)
			delete(l.files, path)
			news = true
		}
	}
	done := 0
	for path, info := range s.files {
		if l.Progress != nil {
			l.Progress(done, len(s.files))
		}
		if old := l.files[path]; old == nil || old.changed(info) {
			l.read(path, info, touched)
			news = true
		}
		done++
	}
	if news {
		l.problems = nil
	}
	return l.difference(touched), news, nil
}

func (f *file) changed(info os.FileInfo) bool {
	if f.info == nil || info == nil {
		return f.info != info
	}
	if info.Mode()&os.ModeNamedPipe != 0 { // such as <(…): can be read once only
		return false
	}
	return f.racy || f.info.Size() != info.Size() || !f.info.ModTime().Equal(info.ModTime()) || f.info.Mode() != info.Mode() || !os.SameFile(f.info, info)
}

func (l *Loader) readStdin(touched map[store.Key]bool) {
	if l.stdin == nil || !slices.Contains(l.paths, "-") {
		return
	}
	data, err := io.ReadAll(io.LimitReader(l.stdin, maxFile+1))
	l.stdin = nil
	l.accept(&file{path: stdinName}, data, err, touched)
}

// read reads one file and takes over what it holds.
func (l *Loader) read(path string, info os.FileInfo, touched map[store.Key]bool) {
	now := &file{path: path, info: info}
	switch base := filepath.Base(path); base {
	case "kustomization.yaml", "kustomization.yml":
		l.skip(now, kustomizeHint, touched)
		return
	case "Chart.yaml":
		l.skip(now, "charts are not rendered: run helm template … | daemun up -", touched)
		return
	}
	now.racy = info != nil && time.Since(info.ModTime()) < racyAge
	data, err := readFile(path, info)
	if len(data) == 0 && err == nil && l.justEmptied(path) {
		l.unsettled = append(l.unsettled, path)
		return
	}
	l.accept(now, data, err, touched)
}

// justEmptied reports whether a file with objects to lose became empty a
// moment ago.
func (l *Loader) justEmptied(path string) bool {
	old := l.files[path]
	if old == nil || len(old.objects) == 0 {
		return false
	}
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()).Abs() < emptied
}

var (
	errTooLarge = errors.New("the file is too large")
	errFolder   = errors.New("it became a folder")
	errSpecial  = errors.New("it is not a regular file")
)

func readFile(path string, info os.FileInfo) ([]byte, error) {
	switch {
	case info == nil:
		_, err := os.Stat(path)
		return nil, cmp.Or(err, errors.New("it vanished while it was read"))
	case info.IsDir():
		return nil, errFolder
	case info.Size() > maxFile:
		return nil, errTooLarge
	case info.Mode()&(os.ModeDevice|os.ModeSocket) != 0:
		return nil, errSpecial
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile+1))
}

func (l *Loader) skip(now *file, hint string, touched map[store.Key]bool) {
	now.problems = []ir.Problem{{Code: CodeSkippedFile, Severity: ir.SeverityNotice, File: now.path, Message: hint}}
	l.replace(l.files[now.path], now, touched)
	l.files[now.path] = now
}

// accept parses data and applies the rule of the package comment for what a
// broken file keeps.
func (l *Loader) accept(now *file, data []byte, err error, touched map[store.Key]bool) {
	old := l.files[now.path]
	r := &reader{schema: l.schema, kinds: kinds(), path: now.path, unused: map[string]int{}, broken: map[store.Key]bool{}}
	switch {
	case err == nil && len(data) > maxFile, errors.Is(err, errTooLarge):
		r.unknown = true
		r.problems = append(r.problems, ir.Problem{Code: CodeTooLarge, Severity: ir.SeverityError, File: now.path, Message: "the file has more than 64 MiB: split it"})
	case err != nil:
		r.unknown = true
		r.problems = append(r.problems, ir.Problem{Code: CodeUnreadable, Severity: ir.SeverityError, File: now.path, Message: "cannot be read: " + reason(err)})
	default:
		for _, doc := range split(data) {
			r.document(doc)
		}
	}
	now.objects, now.problems, now.unused = r.objects, r.problems, r.unused
	l.keep(old, now, r)
	l.replace(old, now, touched)
	l.files[now.path] = now
}

// keep carries over the last good objects.
func (l *Loader) keep(old, now *file, r *reader) {
	if old == nil || !r.unknown && len(r.broken) == 0 {
		return
	}
	defined := map[store.Key]bool{}
	for _, o := range now.objects {
		defined[o.key] = true
	}
	kept := 0
	for _, o := range old.objects {
		if !defined[o.key] && (r.unknown || r.broken[o.key]) {
			now.objects = append(now.objects, o)
			kept++
		}
	}
	if kept == 0 {
		return
	}
	for i := range now.problems {
		p := &now.problems[i]
		if p.Severity == ir.SeverityError && (p.Object.Name == "" || r.broken[store.Key(p.Object)]) {
			p.Message += "; the last good version stays in force"
		}
	}
}

// replace changes the claims from one reading of a file to the next. Objects
// that did not change stay the identical ones.
func (l *Loader) replace(old, now *file, touched map[store.Key]bool) {
	before := map[store.Key]*object{}
	if old != nil {
		for _, o := range old.objects {
			before[o.key] = o
			touched[o.key] = true
			l.claims[o.key] = slices.DeleteFunc(l.claims[o.key], func(c *object) bool { return c == o })
		}
	}
	for _, o := range now.objects {
		if was := before[o.key]; was != nil && was != o && equality.Semantic.DeepEqual(was.obj, o.obj) {
			o.obj = was.obj
		}
		touched[o.key] = true
		claims := l.claims[o.key]
		i := len(claims)
		for i > 0 && claims[i-1].at.File > o.at.File {
			i--
		}
		l.claims[o.key] = slices.Insert(claims, i, o)
	}
	for key := range before {
		if len(l.claims[key]) == 0 {
			delete(l.claims, key)
		}
	}
}

// difference compares the winners of the touched keys with what was handed
// out last.
func (l *Loader) difference(touched map[store.Key]bool) Change {
	var c Change
	for key := range touched {
		now := l.claims[key]
		was, had := l.handed[key]
		switch {
		case len(now) == 0 && had:
			delete(l.handed, key)
			c.Delete = append(c.Delete, key)
		case len(now) > 0 && (!had || was != now[0].obj):
			l.handed[key] = now[0].obj
			c.Put = append(c.Put, now[0].obj)
		}
	}
	slices.SortFunc(c.Delete, compareKeys)
	slices.SortFunc(c.Put, func(a, b store.Object) int { return compareKeys(keyOf(a), keyOf(b)) })
	return c
}

func keyOf(o store.Object) store.Key {
	return store.Key{Kind: o.GetObjectKind().GroupVersionKind().Kind, Namespace: o.GetNamespace(), Name: o.GetName()}
}

func compareKeys(a, b store.Key) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// Problems returns the problems of the last Load, sorted. The caller owns the
// slice.
func (l *Loader) Problems() []ir.Problem {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.problems == nil {
		l.problems = l.collect()
	}
	return slices.Clone(l.problems)
}

func (l *Loader) collect() []ir.Problem {
	all := slices.Clone(l.scanProblems)
	unused := map[string]int{}
	for _, f := range l.files {
		all = append(all, f.problems...)
		for name, n := range f.unused {
			unused[name] += n
		}
	}
	for key, claims := range l.claims {
		for i := 1; i < len(claims); i++ {
			p, first := claims[i].at, claims[0].at
			all = append(all, ir.Problem{
				Code: CodeDuplicateObject, Severity: ir.SeverityError, Object: ir.Ref(key), File: p.File, Line: p.Line, Column: p.Column,
				Message: fmt.Sprintf("is already defined at %s:%d, which is used: remove one or give it another name", first.File, first.Line),
			})
		}
	}
	if len(unused) > 0 {
		all = append(all, ir.Problem{Code: CodeUnusedKinds, Severity: ir.SeverityNotice, Message: countKinds(unused) + ": not used here"})
	}
	slices.SortFunc(all, ir.Problem.Compare)
	if all == nil {
		all = []ir.Problem{}
	}
	return all
}

// countKinds prints "2 CustomResourceDefinition, 1 HorizontalPodAutoscaler",
// the most frequent first.
func countKinds(kinds map[string]int) string {
	names := make([]string, 0, len(kinds))
	for name := range kinds {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(kinds[b], kinds[a]), cmp.Compare(a, b)) })
	for i, name := range names {
		names[i] = fmt.Sprintf("%d %s", kinds[name], name)
	}
	return strings.Join(names, ", ")
}
