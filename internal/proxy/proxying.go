package proxy

import (
	"strconv"

	"daemun/internal/http1"
)

// asksOnce reports that the backend is asked in HTTP/1.0: it ends each
// connection after its response, so none is kept.
func (x *exchange) asksOnce() bool {
	return x.match.Route.IR.HTTP10 && !x.transport().Multiplexed() && !x.speaksFastCGI()
}

// minor is the version of HTTP/1 that the backend is asked in.
func (x *exchange) minor() int {
	if x.asksOnce() {
		return 0
	}
	return 1
}

// needsLength reports that a body that comes in chunks has to be read to its
// end, because HTTP/1.0 has none (nginx does so whatever its buffering is).
func (x *exchange) needsLength() bool {
	return x.req.Body == http1.BodyChunked && x.asksOnce()
}

// appendPort appends the port of the listener, if the route wants it and the
// scheme does not mean it anyway (use-port-in-redirects).
func (x *exchange) appendPort(l []byte) []byte {
	if x.match.Route == nil || !x.match.Route.IR.PortInRedirects {
		return l
	}
	usual := uint16(80)
	if x.c.secure {
		usual = 443
	}
	port := x.c.info.Local.Port()
	if port == usual {
		return l
	}
	return strconv.AppendUint(append(l, ':'), uint64(port), 10)
}

// tellRewrite is enable-rewrite-log.
func (x *exchange) tellRewrite() {
	r := x.match.Route
	if r == nil || !r.IR.RewriteLog {
		return
	}
	x.c.server.logger.Info("rewrote a target", "ingress", r.IR.Ingress.Namespace+"/"+r.IR.Ingress.Name,
		"host", string(x.host), "from", string(x.appendURI(nil)), "to", string(x.target))
}
