package policy

import (
	"net/netip"
	"slices"

	"daemun/internal/ir"
)

// Access decides by the address of the client (allow and deny lists).
type Access struct {
	deny, allow *Networks
	// rules are asked in their order by who is in neither list.
	rules []ir.AccessRule
	// others holds for other methods than except, beside all that.
	except []string
	others []ir.AccessRule
}

func newAccess(a *ir.Access, m *ir.MethodAccess) *Access {
	if a == nil && m == nil {
		return nil
	}
	made := &Access{}
	if a != nil {
		made.deny, made.rules = NewNetworks(a.Deny), a.Rules
		if len(a.Allow) > 0 {
			made.allow = NewNetworks(a.Allow)
		}
	}
	if m != nil {
		made.except, made.others = m.Except, m.Rules
	}
	return made
}

// JudgeMethod is Judge for a request with a method.
func (a *Access) JudgeMethod(method []byte, addr netip.Addr) AccessVerdict {
	verdict := a.Judge(addr)
	if verdict == Refused || len(a.except) == 0 || slices.Contains(a.except, string(method)) {
		return verdict
	}
	if others := judgeRules(a.others, addr); others != Indifferent {
		return others
	}
	return verdict
}

// judgeRules finds the first rule that an address fits.
func judgeRules(rules []ir.AccessRule, addr netip.Addr) AccessVerdict {
	addr = addr.Unmap().WithZone("")
	for i := range rules {
		switch r := &rules[i]; {
		case !r.Net.Contains(addr):
		case r.Allow:
			return Allowed
		default:
			return Refused
		}
	}
	return Indifferent
}

// AccessVerdict is what the lists say about an address.
type AccessVerdict uint8

// The verdicts. Indifferent lets a request pass like Allowed, but is nothing
// that satisfies "satisfy: any".
const (
	Indifferent AccessVerdict = iota
	Allowed
	Refused
)

// Judge returns the verdict about a client.
func (a *Access) Judge(addr netip.Addr) AccessVerdict {
	switch {
	case a.deny.Contains(addr):
		return Refused
	case a.allow == nil:
		return judgeRules(a.rules, addr)
	case a.allow.Contains(addr):
		return Allowed
	}
	return Refused
}
