package ir

import "net/netip"

// Forwarded says whom Daemun believes about where a request comes from, and
// what it tells backends about that (H4.7).
type Forwarded struct {
	// Believe takes the client's address, scheme, port and host from the
	// fields of trusted peers; BelieveAddress takes the address only.
	Believe        bool `json:"believe,omitempty"`
	BelieveAddress bool `json:"believeAddress,omitempty"`
	// Trusted are the peers that are believed; empty is all of them. It also
	// says whose PROXY headers count.
	Trusted []netip.Prefix `json:"trusted,omitempty"`
	// ForField and HostField are the fields with the address and the host, in
	// lower case; empty for X-Forwarded-For and X-Forwarded-Host.
	ForField  string `json:"forField,omitempty"`
	HostField string `json:"hostField,omitempty"`
	// Append sends the chain of addresses on, with the peer's at its end,
	// instead of the client's address alone. It needs Believe.
	Append bool `json:"append,omitempty"`
}

// ProxyProtocol makes the PROXY protocol mandatory on the ports for HTTP and
// HTTPS (H4.8).
type ProxyProtocol struct {
	// Timeout is how long a peer has for the header, from the accept on.
	Timeout Duration `json:"timeout"`
}
