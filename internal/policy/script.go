package policy

import (
	"errors"

	"daemun/internal/expression"
	"daemun/internal/ir"
	"daemun/internal/variable"
)

// Script is the rewriting directives of a snippet. It is immutable.
type Script struct {
	steps []step
}

// Variant is the settings of an "if" that held.
type Variant struct {
	Fields *Fields
	NoLog  bool
}

type step struct {
	condition *condition // nil: the action alone
	then      []action
	variant   *Variant
	action    action
}

type condition struct {
	left, right *variable.Text
	op          ir.Comparison
	expr        expression.Matcher
	names       []string
}

type action struct {
	set     string
	value   *variable.Text
	answer  *Answer
	rewrite *rewriteStep
	stop    bool
}

// Answer ends a request: with a Location, a body of a type, or without Text
// with the usual page.
type Answer struct {
	Status int
	Text   *variable.Text
	Type   string
	// Literal is the location that a rewrite made; Text is nil then.
	Literal []byte
}

type rewriteStep struct {
	*ir.RewriteStep
	expr       expression.Matcher
	names      []string
	path, args *variable.Text
}

// NewScript returns nil for nil. An expression that does not compile, which
// translation has reported, closes: the script answers 503.
func NewScript(s *ir.Script, beyond expression.Engine) *Script {
	if s == nil {
		return nil
	}
	made := &Script{}
	for i := range s.Steps {
		made.steps = append(made.steps, newStep(s, &s.Steps[i], beyond))
	}
	return made
}

// closed is the step that stands for one that cannot be run.
func closed() step { return step{action: action{answer: &Answer{Status: 503}}} }

func newStep(s *ir.Script, from *ir.Step, beyond expression.Engine) step {
	if from.If == nil {
		a, ok := newAction(&from.Action, beyond)
		if !ok {
			return closed()
		}
		return step{action: a}
	}
	made := step{condition: &condition{op: from.If.Op}}
	c := made.condition
	c.left, _ = variable.ParseOpen(from.If.Left)
	fold, isExpression := expression.Exact, true
	switch from.If.Op {
	case ir.MatchesFold, ir.DiffersFold:
		fold = expression.Fold
	case ir.Matches, ir.Differs:
	default:
		isExpression = false
	}
	if isExpression {
		var err error
		if c.expr, err = expression.Compile(from.If.Right, fold, beyond); err != nil {
			return closed()
		}
		c.names = namedGroups(c.expr)
	} else {
		c.right, _ = variable.ParseOpen(from.If.Right)
	}
	for i := range from.Then {
		a, ok := newAction(&from.Then[i], beyond)
		if !ok {
			return closed()
		}
		made.then = append(made.then, a)
	}
	if n := from.Variant; n > 0 && n <= len(s.Variants) {
		made.variant = &Variant{Fields: NewFields(s.Variants[n-1].Fields), NoLog: s.Variants[n-1].NoLog}
	}
	return made
}

func newAction(from *ir.Action, beyond expression.Engine) (a action, ok bool) {
	switch {
	case from.Set != nil:
		a.set = from.Set.Name
		a.value, _ = variable.ParseOpen(from.Set.Value)
	case from.Return != nil:
		a.answer = &Answer{Status: from.Return.Status, Type: from.Return.Type}
		if from.Return.Text != "" {
			a.answer.Text, _ = variable.ParseOpen(from.Return.Text)
		}
	case from.Rewrite != nil:
		w := &rewriteStep{RewriteStep: from.Rewrite}
		var err error
		if w.expr, err = expression.Compile(w.Pattern, expression.Exact, beyond); err != nil {
			return a, false
		}
		w.names = namedGroups(w.expr)
		w.path, _ = variable.ParseOpen(w.Path)
		w.args, _ = variable.ParseOpen(w.Args)
		a.rewrite = w
	case from.Break:
		a.stop = true
	}
	return a, true
}

// namedGroups are the names of groups that become variables, nil without any.
func namedGroups(m expression.Matcher) []string {
	names := m.Names()
	for _, n := range names {
		if n != "" {
			return names
		}
	}
	return nil
}

// Outcome is what a script has decided.
type Outcome uint8

// The outcomes: the request goes on; it goes on without other rewriting; other
// rewriting comes first, then its route is searched again for the new path; that
// is searched at once; the request is answered.
const (
	Passed Outcome = iota
	Stopped
	Moved
	Again
	Answered
)

// Run runs the script for a request whose variables are those of from. uri is
// the normalised path. The Answer is nil unless the request is answered; it is
// good until the frame is used again.
func (s *Script) Run(f *Frame, from variable.Source, uri []byte) (Outcome, *Answer) {
	f.uri, f.changed = append(f.uri[:0], uri...), false
	for i := range s.steps {
		st := &s.steps[i]
		if st.condition == nil {
			if o, a := st.action.run(f, from); o != Passed {
				return o, a
			}
			continue
		}
		held, err := st.condition.holds(f, from)
		if err != nil || f.tooMuch() {
			return Answered, &Answer{Status: 500}
		}
		if !held {
			continue
		}
		if st.variant != nil {
			f.Variant = st.variant
		}
		for j := range st.then {
			if o, a := st.then[j].run(f, from); o != Passed {
				return o, a
			}
		}
	}
	if f.changed {
		return Moved, nil
	}
	return Passed, nil
}

var errTooLong = errors.New("a text of a script is too long")

func (c *condition) holds(f *Frame, from variable.Source) (bool, error) {
	if f.left = c.left.Append(f.left[:0], from); len(f.left) > longestText {
		return false, errTooLong
	}
	switch c.op {
	case ir.Holds:
		return len(f.left) > 0 && string(f.left) != "0", nil
	case ir.Equal, ir.NotEqual:
		f.right = c.right.Append(f.right[:0], from)
		return (string(f.left) == string(f.right)) == (c.op == ir.Equal), nil
	}
	matched, err := f.match(c.expr, c.names, f.left)
	return matched == (c.op == ir.Matches || c.op == ir.MatchesFold), err
}

func (a *action) run(f *Frame, from variable.Source) (Outcome, *Answer) {
	switch {
	case a.value != nil:
		f.right = a.value.Append(f.right[:0], from)
		if len(f.right) > longestText || f.tooMuch() {
			return Answered, &Answer{Status: 500}
		}
		f.Set(a.set, f.right)
	case a.answer != nil:
		return Answered, a.answer
	case a.rewrite != nil:
		return a.rewrite.run(f, from)
	case a.stop:
		f.changed = false
		return Stopped, nil
	}
	return Passed, nil
}

func (w *rewriteStep) run(f *Frame, from variable.Source) (Outcome, *Answer) {
	matched, err := f.match(w.expr, w.names, f.uri)
	switch {
	case err != nil, f.tooMuch():
		return Answered, &Answer{Status: 500}
	case !matched:
		return Passed, nil
	case w.Status != 0:
		return Answered, w.redirect(f, from)
	}
	f.left = w.path.Append(f.left[:0], from)
	f.right = f.right[:0]
	if w.HasArgs || w.DropArgs {
		f.right = w.appendArgs(f.right, from)
		f.args, f.hasArgs = append(f.args[:0], f.right...), true
	}
	if f.kept += len(f.left) + len(f.right); max(len(f.left), len(f.right)) > longestText {
		return Answered, &Answer{Status: 500}
	}
	if len(f.left) == 0 || f.left[0] != '/' {
		f.left = append(f.left, 0)
		copy(f.left[1:], f.left)
		f.left[0] = '/'
	}
	f.uri, f.left = f.left, f.uri
	f.moved, f.changed = true, true
	switch w.Flag {
	case ir.RewriteLast:
		return Again, nil
	case ir.RewriteBreak:
		f.changed = false
		return Stopped, nil
	}
	return Passed, nil
}

// appendArgs appends the new arguments, and those of the request behind them.
func (w *rewriteStep) appendArgs(b []byte, from variable.Source) []byte {
	start := len(b)
	if w.HasArgs {
		b = w.args.Append(b, from)
	}
	if w.DropArgs {
		return b
	}
	mark := len(b)
	if mark > start {
		b = append(b, '&')
	}
	old := len(b)
	if b = from.AppendVariable(b, variable.Args, ""); len(b) == old {
		return b[:mark]
	}
	return b
}

// redirect makes the location that a rewrite leads to. Captures of the decoded
// path are escaped in it.
func (w *rewriteStep) redirect(f *Frame, from variable.Source) *Answer {
	f.escaper.from = from
	l := w.path.Append(nil, &f.escaper)
	f.escaper.from = nil
	if args := w.appendArgs(nil, from); len(args) > 0 {
		l = append(append(l, '?'), args...)
	}
	return &Answer{Status: w.Status, Literal: l}
}
