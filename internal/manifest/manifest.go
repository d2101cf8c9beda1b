// Package manifest turns YAML and JSON files, folders and standard input into
// typed Kubernetes objects, each with the place it came from, and follows
// changes of the files.
//
// It knows the schema (strict decoding, validation of values) but not what
// objects mean together: references between objects are translation's matter.
package manifest

import (
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
type Loader struct{}

// Load reads everything again and returns the difference. Only a path that the
// user named and that does not exist at the first Load is an error; all else
// becomes problems.
func (l *Loader) Load() (Change, error) { panic("unimplemented") }

// Problems returns the problems of the last Load, sorted.
func (l *Loader) Problems() []ir.Problem { panic("unimplemented") }

// Locate finds where a field of an object was written, or the nearest parent
// that was; ok is false for objects that no file holds. field is a path as in
// ir.Problem.
func (l *Loader) Locate(k store.Key, field string) (p Position, ok bool) { panic("unimplemented") }
