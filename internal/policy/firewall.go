package policy

import (
	"iter"
	"net/netip"

	"daemun/internal/ir"
	"daemun/internal/variable"
)

// HeadFields yields the names and values of a head.
type HeadFields = iter.Seq2[string, string]

// Subject is the head of a request that rules judge.
type Subject struct {
	// ID names the request in the log of the rules, Group is who waits together
	// when rules have no time for everybody.
	ID, Group      string
	Client, Server netip.AddrPort
	// Target is as received, Protocol such as "HTTP/1.1".
	Method, Target, Protocol, Host string
	Fields                         HeadFields
}

// Ruling is what rules say: nothing while Status is 0, else what the client
// gets; with Location it is a redirect.
type Ruling struct {
	Status   int
	Location string
}

// Rules judge requests and their responses. They are safe for concurrent use.
type Rules interface {
	// Inspect begins with a request. The Inspection is never nil and has to be
	// closed.
	Inspect(*Subject) (Inspection, Ruling)
}

// Inspection is the judgement of one request, in the order of its methods. It
// serves one goroutine at a time.
type Inspection interface {
	// BodyLimit is how much of the body is wanted, 0 for nothing.
	BodyLimit() int
	// Body takes the body, or as much of it as is wanted; it may be empty.
	Body(b []byte) Ruling
	// Response takes the head of the response of the backend.
	Response(status int, fields HeadFields) Ruling
	// ResponseLimit and ResponseBody are BodyLimit and Body of the response.
	ResponseLimit() int
	ResponseBody(b []byte) Ruling
	// Close ends the inspection and logs what rules have found.
	Close()
}

// Firewall is the firewall of a route.
type Firewall struct {
	// Rules is nil when they cannot be used: then nothing passes.
	Rules Rules
	// ID names requests; nil is the request id.
	ID *variable.Text
}

func newFirewall(f *ir.Firewall, state *State) *Firewall {
	if f == nil {
		return nil
	}
	w := &Firewall{}
	if state.config.Rules != nil {
		w.Rules = state.config.Rules(f.Rules)
	}
	if text, err := variable.Parse(f.TransactionID); err == nil && f.TransactionID != "" { // checked before
		w.ID = text
	}
	return w
}
