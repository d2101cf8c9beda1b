package proxy

import (
	"net/netip"

	"daemun/internal/http1"
	"daemun/internal/ir"
	"daemun/internal/policy"
	"daemun/internal/upstream"
)

// inspectHead lets the rules of the route judge the head of the request. Rules
// that cannot be used let nothing pass.
func (x *exchange) inspectHead() bool {
	if x.policies == nil || x.policies.Firewall == nil {
		return false
	}
	f := x.policies.Firewall
	if f.Rules == nil {
		x.answer(503)
		return true
	}
	id := string(x.requestID())
	if f.ID != nil {
		id = string(f.ID.Append(nil, x))
	}
	var r policy.Ruling
	x.inspection, r = f.Rules.Inspect(&policy.Subject{
		ID: id, Group: x.match.Host.IR.Name, Client: netip.AddrPortFrom(x.client(), x.c.info.Remote.Port()), Server: x.c.info.Local, Method: string(x.req.Method), Target: string(x.req.Target),
		Protocol: string(x.protocol()), Host: string(withoutPort(x.authority())), Fields: headFields(x.req.Fields),
	})
	return x.ruledOut(r)
}

func headFields(fields []http1.Field) policy.HeadFields {
	return func(yield func(name, value string) bool) {
		for i := range fields {
			if !yield(string(fields[i].Name), string(fields[i].Value)) {
				return
			}
		}
	}
}

// ruledOut answers as rules want it and reports whether it has.
func (x *exchange) ruledOut(r policy.Ruling) bool {
	if r.Status == 0 {
		return false
	}
	if r.Location != "" {
		x.redirect(r.Status, append(x.location[:0], r.Location...))
		return true
	}
	x.guarded = true
	x.answer(r.Status)
	return true
}

// inspectsBody says that more of the body is read before a backend is chosen,
// because rules want to see it.
func (x *exchange) inspectsBody() bool {
	return x.inspection != nil && len(x.prefix) < x.inspectionLimit()
}

// inspectionLimit is how much of the body rules see. What gRPC backends get is
// a conversation that no one waits for the end of.
func (x *exchange) inspectionLimit() int {
	if p := x.match.Route.IR.Protocol; p == ir.ProtocolGRPC || p == ir.ProtocolGRPCS {
		return 0
	}
	return x.inspection.BodyLimit()
}

// inspectBody lets the rules judge what was read of the body.
func (x *exchange) inspectBody() bool {
	if x.inspection == nil {
		return false
	}
	var seen []byte
	if limit := x.inspectionLimit(); limit > 0 {
		seen = x.prefix[:min(len(x.prefix), limit)]
	}
	return x.ruledOut(x.inspection.Body(seen))
}

// inspectResponse lets the rules judge the response whose head was read, and
// reports whether the client has got another one. What it reads of the body
// stays to be relayed.
func (x *exchange) inspectResponse(up *upstream.Conn) bool {
	if x.inspection == nil {
		return false
	}
	r := x.inspection.Response(x.resp.Status, headFields(x.resp.Fields))
	if r.Status == 0 && x.resp.Status != 101 {
		if limit := x.inspection.ResponseLimit(); limit > 0 {
			held, err := x.holdResponse(up, limit)
			if err != nil {
				x.dropUpstream(up)
				x.fail(502)
				return true
			}
			r = x.inspection.ResponseBody(held)
		}
	}
	if r.Status == 0 {
		return false
	}
	if !x.atHand() {
		x.keep, x.lingering = false, true
	}
	x.dropUpstream(up)
	return x.ruledOut(r)
}

// holdResponse reads the body of a response up to a limit, so that it can be judged
// before the client gets any of it.
func (x *exchange) holdResponse(up *upstream.Conn, limit int) ([]byte, error) {
	var held []byte
	for len(held) < limit && !x.respBody.Done() {
		if len(held) == cap(held) {
			held = append(held, make([]byte, max(4096, min(len(held), limit-len(held))))...)[:len(held)]
		}
		n, err := x.readResponse(up, held[len(held):min(cap(held), limit)])
		held = held[:len(held)+n]
		if n == 0 && err != nil {
			if x.respBody.Done() {
				break
			}
			return nil, err
		}
	}
	x.respBody.Unread(held)
	return held, nil
}

// closeInspection ends the judgement of a request.
func (x *exchange) closeInspection() {
	if x.inspection != nil {
		x.inspection.Close()
		x.inspection = nil
	}
}
