package proxy

import (
	"bytes"
	"time"

	"daemun/internal/http1"
	"daemun/internal/ir"
	"daemun/internal/policy"
)

// settleEdits finds the edits that act on the response whose head comes next.
func (x *exchange) settleEdits(status int, contentType []byte) {
	x.edits = x.edits[:0]
	if fields := x.fields(); fields != nil {
		x.edits = fields.OfResponse(x.edits, status, contentType)
	}
}

// appendEdits appends the fields that edits bring. A value that may not be sent,
// as a capture of a path may be, and one that is empty bring none.
func (x *exchange) appendEdits(b []byte) []byte {
	for _, kind := range [...]ir.EditKind{ir.EditSet, ir.EditAdd} {
		for i, e := range x.edits {
			if e.Kind == kind && policy.Stands(x.edits, i) {
				b = x.appendEdit(b, e)
			}
		}
	}
	return b
}

func (x *exchange) appendEdit(b []byte, e *policy.Edit) []byte {
	start := len(b)
	b = append(b, e.Name...)
	b = append(b, ": "...)
	value := len(b)
	b = e.AppendValue(b, x, time.Now())
	if len(b) == value || !http1.ValidValue(b[value:]) {
		return b[:start]
	}
	return append(b, "\r\n"...)
}

// editRequest changes the fields of a request head, which begin at start. They
// are whole lines, so that what Daemun itself says is found as well as what the
// client sent; framing comes behind them and is never touched.
func (x *exchange) editRequest(b []byte, start int) []byte {
	fields := x.fields()
	if fields == nil {
		return b
	}
	edits := fields.Request()
	for i := range edits {
		e := &edits[i]
		found := false
		if e.Kind != ir.EditAdd {
			b, found = removeField(b, start, e)
		}
		if e.Kind != ir.EditClear && (found || !e.Existing) {
			b = x.appendEdit(b, e)
		}
	}
	return b
}

// removeField takes the lines of a field out of b[start:].
func removeField(b []byte, start int, e *policy.Edit) (out []byte, found bool) {
	for at := start; at < len(b); {
		end := at + bytes.IndexByte(b[at:], '\n') + 1
		if end == at { // never: each line ends
			break
		}
		name, _, _ := bytes.Cut(b[at:end], []byte{':'})
		if !e.NamesField(name) {
			at = end
			continue
		}
		found = true
		b = append(b[:at], b[end:]...)
	}
	return b, found
}
