package ir

import "net/netip"

// Block is what every host refuses with 403, before anything else is looked at
// (block-cidrs, block-user-agents, block-referers).
type Block struct {
	Networks []netip.Prefix `json:"networks,omitempty"`
	// UserAgents and Referers are texts that the field is compared with,
	// without regard to case, or expressions behind "~" (with regard to case)
	// or "~*", which may match anywhere.
	UserAgents []string `json:"userAgents,omitempty"`
	Referers   []string `json:"referers,omitempty"`
}

// RequestHeads is how request heads are read where that is not the usual way.
type RequestHeads struct {
	// KeepUnderscores takes fields with an underscore in their name as they are;
	// otherwise they are dropped.
	KeepUnderscores bool `json:"keepUnderscores,omitempty"`
	// Line bounds the octets of a request line and of a field line, Head those
	// of a whole head; 0 is the usual bound.
	Line int `json:"line,omitempty"`
	Head int `json:"head,omitempty"`
}

// Entrance says which connections are accepted at all.
type Entrance struct {
	// Addresses are those of this machine that may be connected to; empty is
	// all of them.
	Addresses []netip.Addr `json:"addresses,omitempty"`
	// IPv4Only closes connections over IPv6.
	IPv4Only bool `json:"ipv4Only,omitempty"`
	// PerClient bounds the open connections of one client, an IPv4 address or an
	// IPv6 network of 64 bits; 0 is no bound. Peers that are believed about
	// their clients are not bounded themselves (H6.14).
	PerClient int `json:"perClient,omitempty"`
}
