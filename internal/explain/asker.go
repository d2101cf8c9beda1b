package explain

import (
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"strings"

	"daemun/internal/ir"
	"daemun/internal/policy"
)

// asker is who sends the request, as far as the question says.
type asker struct {
	client  netip.Addr // invalid: not said
	headers http.Header
}

func askerOf(r Request) (a asker, err error) {
	if r.Client != "" {
		if a.client, err = netip.ParseAddr(r.Client); err != nil {
			return a, fmt.Errorf("client %q: want an IP address", r.Client)
		}
	}
	if strings.ContainsFunc(r.Method, func(c rune) bool { return c <= ' ' || c >= 0x7f || strings.ContainsRune("\"(),/:;<=>?@[\\]{}", c) }) {
		return a, fmt.Errorf("method %q: want a word such as GET", r.Method)
	}
	a.headers = r.Headers
	return a, nil
}

// ParseHeaders reads lines of the form "Name: value".
func ParseHeaders(lines []string) (http.Header, error) {
	headers := http.Header{}
	for _, line := range lines {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if name = strings.TrimSpace(name); !ok || name == "" || strings.ContainsAny(name, " \t") {
			return nil, fmt.Errorf("header %q: want NAME: VALUE", line)
		}
		headers.Add(name, strings.TrimSpace(value))
	}
	return headers, nil
}

// Cookie implements policy.Cookies.
func (a asker) Cookie(name string) []byte {
	r := http.Request{Header: a.headers}
	if c, err := r.Cookie(name); err == nil {
		return []byte(c.Value)
	}
	return nil
}

// preflight says that the request is answered as the question of a browser.
func (e *explanation) preflight() bool {
	p := e.route.Policies
	return p != nil && p.CORS != nil && e.Method == http.MethodOptions && p.CORS.Allows([]byte(e.asker.headers.Get("Origin")))
}

// side says which of backend and canary gets the request, and what decides it.
func (e *explanation) side() (name ir.BackendID, because string) {
	r := e.route
	name = r.IR.Backend
	if r.Canary == nil || r.Canary.Len() == 0 || r.CanaryRule == nil {
		return name, ""
	}
	field, present := e.asker.headers.Get(r.CanaryRule.Header()), false
	if h := r.CanaryRule.Header(); h != "" {
		present = len(e.asker.headers.Values(h)) > 0
	}
	// Weights never decide for the least of them alone, and always for the most.
	lucky := r.CanaryRule.Chooses([]byte(field), present, e.asker, 0)
	unlucky := r.CanaryRule.Chooses([]byte(field), present, e.asker, math.MaxUint64-math.MaxUint64%uint64(max(100, r.IR.Canary.Total))-1)
	switch {
	case lucky && unlucky:
		return r.IR.Canary.Backend, fmt.Sprintf("the canary, because of its rules: %s", canaryRules(r.IR.Canary))
	case lucky:
		return name, fmt.Sprintf("or, for %d of %d such requests, to the canary %s", r.IR.Canary.Weight, max(100, r.IR.Canary.Total), r.IR.Canary.Backend)
	}
	return name, ""
}

// guarded replaces the result where a guard of the route certainly refuses the
// asker. What depends on a password or another service is left to the policies.
func (e *explanation) guarded() {
	p := e.route.Policies
	if p == nil || p.Any && p.External != nil {
		return
	}
	refusal := ""
	if a := e.route.IR.Access; a != nil && !p.Any && refusesAll(a) {
		refusal = "403: the address lists of the route refuse everybody"
	}
	if p.Access != nil && e.asker.client.IsValid() {
		switch p.Access.Judge(e.asker.client) {
		case policy.Refused:
			refusal = fmt.Sprintf("403: the address lists of the route refuse the client %s", e.asker.client)
		case policy.Allowed:
			if p.Any {
				return
			}
		}
	}
	asked := e.asker.client.IsValid() || e.asker.headers != nil
	if p.Auth != nil && asked && (p.Any || refusal == "") {
		if e.asker.headers.Get("Authorization") != "" {
			if p.Any {
				return
			}
		} else {
			refusal = "401: the route asks for a user name and a password, and the request has no Authorization"
		}
	}
	if refusal != "" {
		e.Result, e.Upstream = refusal, ""
	}
}

// refusesAll reports rules that refuse every client, as "deny all" in front does.
func refusesAll(a *ir.Access) bool {
	if len(a.Allow) > 0 {
		return false
	}
	var four, six bool
	for _, r := range a.Rules {
		if r.Allow {
			return false
		}
		if r.Net.Bits() == 0 {
			four, six = four || r.Net.Addr().Is4(), six || r.Net.Addr().Is6()
		}
		if four && six {
			return true
		}
	}
	return false
}
