package policy

import (
	"daemun/internal/canonical"
	"daemun/internal/expression"
	"daemun/internal/variable"
)

// Frame is what scripts know of one request. It is used again for the next one
// after Reset, so that its buffers stay; it serves one goroutine at a time.
type Frame struct {
	// Variant is the settings of the last "if" that held, nil for none.
	Variant *Variant
	// Stopped says that nothing may rewrite the request any more.
	Stopped bool

	vars    []setVariable
	subject []byte // what the last expression matched
	caps    expression.Captures

	uri, args      []byte
	moved, hasArgs bool // uri and args are not those of the request
	changed        bool // by the running script
	left, right    []byte
	escaper        escaper
	kept           int // octets that were kept of values and paths so far
}

type setVariable struct {
	name  string
	value []byte
}

// A variable can be made of others that are made of others, each twice, so that
// few lines would need more memory than there is: a script that makes longer
// texts, or keeps more in all, ends with 500.
const (
	longestText = 64 << 10
	mostKept    = 1 << 20
)

// tooMuch reports that a script has kept more than it may.
func (f *Frame) tooMuch() bool { return f.kept > mostKept }

// largestFrame is how much one buffer of a frame may keep for the next request.
const largestFrame = 4 << 10

// Reset forgets a request.
func (f *Frame) Reset() {
	for i := range f.vars {
		if v := &f.vars[i]; cap(v.value) > largestFrame/4 {
			v.value = nil
		}
	}
	f.Variant, f.Stopped, f.vars = nil, false, f.vars[:0]
	f.caps = expression.None()
	f.moved, f.hasArgs, f.changed, f.kept = false, false, false, 0
	for _, b := range [...]*[]byte{&f.subject, &f.uri, &f.args, &f.left, &f.right} {
		if *b = (*b)[:0]; cap(*b) > largestFrame {
			*b = nil
		}
	}
}

// Set gives a variable a value, which is copied. $args is that of the request.
func (f *Frame) Set(name string, value []byte) {
	f.kept += len(value)
	if name == "args" {
		f.args, f.hasArgs = append(f.args[:0], value...), true
		return
	}
	for i := range f.vars {
		if v := &f.vars[i]; v.name == name {
			v.value = append(v.value[:0], value...)
			return
		}
	}
	if len(f.vars) < cap(f.vars) { // its buffer is still there
		f.vars = f.vars[:len(f.vars)+1]
		v := &f.vars[len(f.vars)-1]
		v.name, v.value = name, append(v.value[:0], value...)
		return
	}
	f.vars = append(f.vars, setVariable{name, append([]byte(nil), value...)})
}

// User is the value of a variable that has been set.
func (f *Frame) User(name string) (value []byte, ok bool) {
	for i := range f.vars {
		if f.vars[i].name == name {
			return f.vars[i].value, true
		}
	}
	return nil, false
}

// AppendCapture appends a group of the last expression that matched.
func (f *Frame) AppendCapture(dst []byte, digit string) []byte {
	return append(dst, f.caps.Group(f.subject, int(digit[0]-'0'))...)
}

// URI is the path after rewriting; ok is false while it is that of the request.
func (f *Frame) URI() (uri []byte, ok bool) { return f.uri, f.moved }

// Move makes path and arguments those of the request.
func (f *Frame) Move(path, args []byte) {
	f.uri, f.moved = append(f.uri[:0], path...), true
	f.args, f.hasArgs = append(f.args[:0], args...), true
}

// Args are the arguments; ok is false while they are those of the request.
func (f *Frame) Args() (args []byte, ok bool) { return f.args, f.hasArgs }

// match keeps subject and groups of a match for the texts that follow it.
func (f *Frame) match(m expression.Matcher, names []string, subject []byte) (bool, error) {
	var caps expression.Captures
	matched, err := m.Match(subject, &caps)
	if !matched || err != nil {
		return false, err
	}
	f.subject, f.caps = append(f.subject[:0], subject...), caps
	for i := 1; i < len(names) && i < expression.Groups; i++ {
		if names[i] != "" {
			f.Set(names[i], caps.Group(f.subject, i))
		}
	}
	return true, nil
}

// escaper is a Source whose captures and path are escaped.
type escaper struct{ from variable.Source }

func (e *escaper) AppendVariable(dst []byte, id variable.ID, arg string) []byte {
	if id != variable.Capture && id != variable.URI {
		return e.from.AppendVariable(dst, id, arg)
	}
	return canonical.AppendEscapedPath(dst, e.from.AppendVariable(nil, id, arg))
}
