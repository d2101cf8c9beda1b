package policy

import (
	"slices"
	"strings"
	"time"

	"daemun/internal/ir"
	"daemun/internal/variable"
)

// Fields changes the fields of requests and responses. It is immutable.
type Fields struct {
	hide              []string
	request, response []Edit
}

// Edit is one change.
type Edit struct {
	*ir.FieldEdit
	// Text is the value.
	Text *variable.Text

	prefix string // of a clear that ends with "*"
}

// NewFields returns nil for nil.
func NewFields(f *ir.FieldEdits) *Fields {
	if f == nil {
		return nil
	}
	return &Fields{hide: f.Hide, request: newEdits(f.Request), response: newEdits(f.Response)}
}

// newEdits leaves out what a later edit undoes in any case.
func newEdits(list []ir.FieldEdit) []Edit {
	edits := make([]Edit, 0, len(list))
	for i := range list {
		e := Edit{FieldEdit: &list[i], Text: textOf(list[i].Value)}
		if name, ok := strings.CutSuffix(e.Name, "*"); ok && e.Kind == ir.EditClear {
			e.prefix = name
		}
		if e.Kind != ir.EditAdd && !e.limited() {
			edits = slices.DeleteFunc(edits, func(old Edit) bool {
				return old.Kind != ir.EditAdd && old.OfClient == e.OfClient && !old.wild() && e.Names(old.Name)
			})
		}
		edits = append(edits, e)
	}
	return edits
}

// limited reports whether the edit acts on some heads only.
func (e *Edit) limited() bool {
	return e.Existing || len(e.Statuses) > 0 || len(e.Types) > 0
}

func (e *Edit) wild() bool { return e.Kind == ir.EditClear && strings.HasSuffix(e.Name, "*") }

// Names reports whether the edit is about a field.
func (e *Edit) Names(name string) bool { return editNames(e, name) }

// NamesField is Names for a name from the wire.
func (e *Edit) NamesField(name []byte) bool { return editNames(e, name) }

func editNames[T ~string | ~[]byte](e *Edit, name T) bool {
	if e.wild() {
		return hasPrefixFold(name, e.prefix)
	}
	return equalFold(name, e.Name)
}

// Hides reports whether a field of the backend reaches no client.
func (f *Fields) Hides(name []byte) bool {
	for _, hidden := range f.hide {
		if equalFold(name, hidden) {
			return true
		}
	}
	return false
}

// OfResponse appends the edits that act on a response with a status and a
// Content-Type, in their order.
func (f *Fields) OfResponse(dst []*Edit, status int, contentType []byte) []*Edit {
	for i := range f.response {
		e := &f.response[i]
		if len(e.Statuses) > 0 {
			if _, listed := slices.BinarySearch(e.Statuses, status); !listed {
				continue
			}
		}
		if len(e.Types) > 0 && !typeIn(e.Types, contentType) {
			continue
		}
		dst = append(dst, e)
	}
	return dst
}

// typeIn compares a Content-Type without its parameters.
func typeIn(types []string, contentType []byte) bool {
	for i, c := range contentType {
		if c == ';' || c == ' ' {
			contentType = contentType[:i]
			break
		}
	}
	for _, t := range types {
		if t == "*" || equalFold(contentType, t) {
			return true
		}
	}
	return false
}

// Request are the edits of requests, in their order. They must not be changed.
func (f *Fields) Request() []Edit { return f.request }

// Removes reports whether one of the edits takes a field of this name away
// that was there before them.
func Removes[T ~string | ~[]byte](edits []*Edit, name T) bool {
	for _, e := range edits {
		if e.Kind != ir.EditAdd && editNames(e, name) {
			return true
		}
	}
	return false
}

// Stands reports whether the field of an edit is there at the end: none of the
// later ones takes it away. As in nginx, what is added is added last.
func Stands(edits []*Edit, i int) bool {
	e := edits[i]
	switch e.Kind {
	case ir.EditClear:
		return false
	case ir.EditAdd:
		return true
	}
	return !Removes(edits[i+1:], e.Name)
}

// AppendValue appends the value of an edit.
func (e *Edit) AppendValue(dst []byte, from variable.Source, now time.Time) []byte {
	if e.Dated {
		return now.Add(e.DateAfter.D()).UTC().AppendFormat(dst, "Mon, 02 Jan 2006 15:04:05 GMT")
	}
	return e.Text.Append(dst, from)
}
