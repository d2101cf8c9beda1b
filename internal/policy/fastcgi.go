package policy

import (
	"daemun/internal/ir"
	"daemun/internal/variable"
)

// FastCGI is what a FastCGI backend is told beside the request.
type FastCGI struct {
	Index  string
	Params []Param
}

// Param is one parameter.
type Param struct {
	Name  string
	Value *variable.Text
}

func newFastCGI(f *ir.FastCGI) *FastCGI {
	if f == nil {
		return nil
	}
	c := &FastCGI{Index: f.Index}
	for _, p := range f.Params {
		c.Params = append(c.Params, Param{Name: p.Name, Value: textOf(p.Value)})
	}
	return c
}
