package policy

import (
	"slices"

	"daemun/internal/ir"
	"daemun/internal/variable"
)

// AuthPart is a variable about the answer of a service, with its argument.
type AuthPart struct {
	ID  variable.ID
	Arg string
}

// AuthVariable is a variable of a snippet that is made when the service has
// answered.
type AuthVariable struct {
	Name  string
	value *variable.Text
}

// newAuthVariables returns the variables, and the parts of an answer that they
// need.
func newAuthVariables(list []ir.AuthVariable) (made []AuthVariable, parts []AuthPart) {
	for _, v := range list {
		text, _ := variable.ParseOpen(v.Value)
		made = append(made, AuthVariable{v.Name, text})
		text.Parts(func(id variable.ID, _, arg string) {
			if p := (AuthPart{id, arg}); ofAnswer(id) && !slices.Contains(parts, p) {
				parts = append(parts, p)
			}
		})
	}
	return made, parts
}

// ofAnswer says that a variable is about the answer of an upstream.
func ofAnswer(id variable.ID) bool {
	switch id {
	case variable.UpstreamField, variable.UpstreamCookie, variable.UpstreamStatus, variable.UpstreamAddr:
		return true
	}
	return false
}

// AppendValue appends the value of a variable of e.Variables: what it takes of
// the answer, and the rest of the request.
func (e *External) AppendValue(dst []byte, v *AuthVariable, a *AuthAnswer, from variable.Source) []byte {
	return v.value.Append(dst, &answered{Source: from, e: e, answer: a})
}

// answered is a Source that knows the answer of a service.
type answered struct {
	variable.Source
	e      *External
	answer *AuthAnswer
}

func (s *answered) AppendVariable(dst []byte, id variable.ID, arg string) []byte {
	if !ofAnswer(id) {
		return s.Source.AppendVariable(dst, id, arg)
	}
	if i := slices.Index(s.e.Parts, AuthPart{id, arg}); i >= 0 && i < len(s.answer.Parts) {
		return append(dst, s.answer.Parts[i]...)
	}
	return dst
}
