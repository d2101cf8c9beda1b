package waf

import (
	"strings"

	"github.com/corazawaf/coraza/v3"
	"github.com/corazawaf/coraza/v3/types"

	"daemun/internal/policy"
)

// engine is the rules of one text.
type engine struct {
	store                    *Store
	waf                      coraza.WAF
	bodyLimit, responseLimit int
	// formLimit bounds bodies without their files; what is over it is refused,
	// or judged up to it.
	formLimit int
	refuses   bool
}

// inspection is the judgement of one request.
type inspection struct {
	engine *engine
	tx     types.Transaction
	// group is whose turns the judgement takes.
	group    string
	protocol string
	limit    int
	// media is the one Content-Type of the request, else empty.
	media string
	// rtype is the type of the response, once it is known.
	responds bool
}

// Inspect implements policy.Rules: phase 1.
func (e *engine) Inspect(s *policy.Subject) (policy.Inspection, policy.Ruling) {
	i := &inspection{engine: e, tx: e.waf.NewTransactionWithID(s.ID), group: s.Group, protocol: s.Protocol}
	tx := i.tx
	tx.ProcessConnection(s.Client.Addr().Unmap().String(), int(s.Client.Port()), s.Server.Addr().Unmap().String(), int(s.Server.Port()))
	tx.ProcessURI(s.Target, s.Method, s.Protocol)
	medias := 0
	for name, value := range s.Fields {
		tx.AddRequestHeader(name, value)
		if strings.EqualFold(name, "Content-Type") {
			i.media = value
			medias++
		}
	}
	if medias > 1 { // which one counts is not certain
		i.media = ""
	}
	if s.Host != "" {
		tx.SetServerName(s.Host)
	}
	r := i.inTurn(func() policy.Ruling { return ruling(tx.ProcessRequestHeaders()) })
	if !tx.IsRuleEngineOff() && tx.IsRequestBodyAccessible() {
		i.limit = i.wanted()
	}
	return i, r
}

// inTurn runs rules when it is their turn. What could not be judged in time does
// not pass.
func (i *inspection) inTurn(judge func() policy.Ruling) policy.Ruling {
	t := i.engine.store.turns
	if !t.take(i.group) {
		return policy.Ruling{Status: 503}
	}
	defer t.give()
	return judge()
}

// BodyLimit implements policy.Inspection.
func (i *inspection) BodyLimit() int { return i.limit }

// Body implements policy.Inspection: phase 2.
func (i *inspection) Body(b []byte) policy.Ruling {
	if limit := i.engine.formLimit; len(b) > limit && withoutFiles(b, i.media) > limit {
		if i.engine.refuses {
			return policy.Ruling{Status: 413}
		}
		b = b[:limit]
	}
	return i.inTurn(func() policy.Ruling {
		if len(b) > 0 {
			found, _, err := i.tx.WriteRequestBody(b)
			if found != nil || err != nil {
				return i.outcome(found, err)
			}
		}
		return i.outcome(i.tx.ProcessRequestBody())
	})
}

// Response implements policy.Inspection: phase 3. It waits for no turn: a head
// costs little, and the backend has done what was asked already.
func (i *inspection) Response(status int, fields policy.HeadFields) policy.Ruling {
	for name, value := range fields {
		i.tx.AddResponseHeader(name, value)
	}
	i.responds = true
	return ruling(i.tx.ProcessResponseHeaders(status, i.protocol))
}

// ResponseLimit implements policy.Inspection.
func (i *inspection) ResponseLimit() int {
	if i.tx.IsRuleEngineOff() || !i.tx.IsResponseBodyAccessible() || !i.tx.IsResponseBodyProcessable() {
		return 0
	}
	return i.engine.responseLimit
}

// ResponseBody implements policy.Inspection: phase 4.
func (i *inspection) ResponseBody(b []byte) policy.Ruling {
	return i.inTurn(func() policy.Ruling {
		if len(b) > 0 {
			found, _, err := i.tx.WriteResponseBody(b)
			if found != nil || err != nil {
				return i.outcome(found, err)
			}
		}
		return i.outcome(i.tx.ProcessResponseBody())
	})
}

// outcome lets nothing pass that could not be judged, unless the rules are only
// to watch.
func (i *inspection) outcome(found *types.Interruption, err error) policy.Ruling {
	if err != nil {
		i.engine.store.logger.Warn("the firewall could not judge a body", "transaction", i.tx.ID(), "error", err)
		if found == nil {
			return policy.Ruling{Status: 500}
		}
	}
	return ruling(found)
}

// Close implements policy.Inspection: phase 5.
func (i *inspection) Close() {
	i.tx.ProcessLogging()
	_ = i.tx.Close() // its errors are about files, of which there are none
}

// ruling makes an answer of an interruption. A connection that is to be dropped
// gets an answer, too: others may share it.
func ruling(found *types.Interruption) policy.Ruling {
	switch {
	case found == nil:
		return policy.Ruling{}
	case found.Action == "redirect" && found.Data != "":
		status := found.Status
		if status < 300 || status > 399 {
			status = 302
		}
		return policy.Ruling{Status: status, Location: strings.TrimSpace(found.Data)}
	case found.Status < 400 || found.Status > 599:
		return policy.Ruling{Status: 403}
	}
	return policy.Ruling{Status: found.Status}
}
