// Package manifest turns YAML and JSON files, folders and standard input into
// typed Kubernetes objects, each with the place it came from, and follows
// changes of the files.
//
//	l := manifest.New([]string{"./manifests", "-"}, os.Stdin)
//	first, err := l.Load()                 // everything
//	err = l.Watch(ctx, func(c manifest.Change) { ... }) // every difference
//
// It knows the schema (strict decoding, validation of values, the defaults of
// the API server) but not what objects mean together: references between
// objects are translation's matter. It starts no goroutine; Watch runs on its
// caller's.
//
// # What is read
//
// In folders, recursively: *.yaml, *.yml and *.json; hidden files and folders
// (a leading dot) are skipped. A file that is named directly is read whatever
// its name. "-" is standard input and is read once.
//
// # Which object wins
//
// When two places define the same kind, namespace and name, the first in the
// order of file names wins and the other one becomes a problem; when the first
// goes away the second takes over.
//
// # What a broken file keeps
//
// An object that is wrong is left out alone; the rest of its file counts. If
// the file had good objects before,
//
//   - a broken object whose kind and name can be read keeps its last good version;
//   - a document that cannot be read so far (syntax error, no name) may stand
//     for any object: all last good objects of the file stay that the file does
//     not define anew;
//   - a file that cannot be read at all, or is too large, keeps all of them.
//
// A file that is deleted, or made empty for longer than it takes to write it
// anew, keeps nothing.
package manifest

import (
	"io"
	"slices"
	"sync"

	"daemun/internal/ir"
	"daemun/internal/store"
)

// Change is what differs from the last one: objects to put and keys that are
// gone. The first Change holds everything. Objects are never modified after
// they were handed out; an unchanged object is not handed out again.
type Change struct {
	Put    []store.Object
	Delete []store.Key
}

// Empty reports whether nothing changed.
func (c Change) Empty() bool { return len(c.Put) == 0 && len(c.Delete) == 0 }

// Position is a place in a file; Line and Column are 1-based.
type Position struct {
	File         string
	Line, Column int
}

// Loader reads PATHS and remembers what it found, so that a broken file keeps
// its last good objects. It is safe for concurrent use.
type Loader struct {
	// Progress is told how many of the files that are to be read have been;
	// nil is nobody. It is set before the first Load.
	Progress func(done, all int)

	paths []string

	mu     sync.Mutex // guards all below
	stdin  io.Reader  // nil once it was read
	loaded bool
	schema types
	files  map[string]*file
	// claims holds the objects that define a key, in the order of their
	// files; the first one wins.
	claims map[store.Key][]*object
	// handed holds what was handed out last.
	handed map[store.Key]store.Object
	// scanProblems are what the last scan of the folders could not read.
	scanProblems []ir.Problem
	// folders are all folders whose changes matter: what Watch watches.
	folders map[string]bool
	// targets are those of them that links lead into.
	targets map[string]bool
	// unsettled are files that were left as they were because somebody is
	// writing them.
	unsettled []string
	// problems is the last answer of Problems; nil when out of date.
	problems []ir.Problem
	// tree is the document Locate parsed last.
	tree located
}

// New returns a Loader of files, folders and, for "-", of stdin. It reads
// nothing yet. stdin may be nil if no path is "-".
func New(paths []string, stdin io.Reader) *Loader {
	return &Loader{
		paths: slices.Clone(paths), stdin: stdin, schema: types{},
		files: map[string]*file{}, claims: map[store.Key][]*object{}, handed: map[store.Key]store.Object{}, folders: map[string]bool{},
	}
}
