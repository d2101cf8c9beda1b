package translate

import (
	"slices"

	"daemun/internal/annotation"
	"daemun/internal/ir"
)

// The problem codes of TLS that is left to backends.
const (
	// CodePassthroughOff: an Ingress asks for it where it is not allowed.
	CodePassthroughOff = "DMN0316"
	// CodePassthroughRoot: a host asks for it and has no backend for "/".
	CodePassthroughRoot = "DMN0317"
	// CodeSuites: cipher suites were left out.
	CodeSuites = "DMN0318"
)

// compilePassthrough closes the routes of an Ingress that wants to keep its TLS
// to itself where TLS is always ended here: it must not be ended in silence.
func (c *compilation) compilePassthrough() {
	if !c.values.Passthrough || c.t.options.SSLPassthrough {
		return
	}
	c.denied = 503
	c.report(CodePassthroughOff, ir.SeverityError, annotation.Field(c.t.options.AnnotationsPrefix+"/ssl-passthrough"),
		"TLS is always ended here, because --enable-ssl-passthrough is not set; the routes of the Ingress answer 503 until it is set or the annotation is removed")
}

// tellLeftOut names the cipher suites that do not exist here.
func (c *compilation) tellLeftOut() {
	if left := c.values.LeftOut; len(left) > 0 {
		c.report(CodeSuites, ir.SeverityWarning, annotation.Field(c.t.options.AnnotationsPrefix+"/ssl-ciphers"), "%s", annotation.LeftOutMessage(left))
	}
}

// settlePassthrough: one Ingress of a host is enough. The backend is that of the
// path "/", whoever has written it (ingress-nginx §4.8).
func (h *host) settlePassthrough(in *ingress) {
	if in.values.Passthrough && h.name != "" && h.passthrough == nil {
		h.passthrough = in
	}
}

// checkPassthrough is called with the routes complete.
func (h *host) checkPassthrough(allowed bool) {
	if h.passthrough == nil {
		return
	}
	if !allowed {
		h.passthrough = nil // its routes are closed
		return
	}
	if !slices.ContainsFunc(h.routes, func(r *ir.Route) bool { return r.Path == "/" && r.Backend != "" && !r.DefaultBackend }) {
		h.report(CodePassthroughRoot, h.passthrough, "metadata.annotations",
			"ssl-passthrough of host "+h.name+" needs a path / with a Service; TLS connections for the host are closed until there is one")
	}
}
