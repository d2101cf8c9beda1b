package ir

// TLS is how TLS is spoken with clients where that is not the usual way.
type TLS struct {
	// No12 and No13 take a version away; 1.2 and 1.3 are the only ones.
	No12 bool `json:"no12,omitempty"`
	No13 bool `json:"no13,omitempty"`
	// Suites are those of TLS 1.2 and Curves those of the key exchange, by
	// their numbers; empty is the usual ones.
	Suites []uint16 `json:"suites,omitempty"`
	Curves []uint16 `json:"curves,omitempty"`
	// RejectUnknown ends the handshakes of names that no host has, and of
	// clients that send none.
	RejectUnknown bool `json:"rejectUnknown,omitempty"`
	// NoResumption makes every handshake a full one; SessionTime is how long a
	// session can be resumed, 0 for up to two days.
	NoResumption bool     `json:"noResumption,omitempty"`
	SessionTime  Duration `json:"sessionTime,omitempty"`
	// TicketKey is a secret that replicas share, so that sessions can be
	// resumed at each of them; empty is one of this process.
	TicketKey string `json:"-"`
}
