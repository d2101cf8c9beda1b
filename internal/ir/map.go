package ir

import "net/netip"

// Map is a variable whose value another text decides (map, geo and
// split_clients of an http-snippet).
type Map struct {
	Name string `json:"name"`
	// Source is the text that is looked up.
	Source string `json:"source"`
	// Default is the text for what is not found, and so are the To of entries.
	Default string `json:"default,omitempty"`
	// Texts are compared without regard to case. With Hostnames they may begin
	// with "*." or end with ".*": whole ones come first, then the longest.
	Texts     []MapEntry `json:"texts,omitempty"`
	Hostnames bool       `json:"hostnames,omitempty"`
	// Expressions begin with "~", or with "~*" to ignore case. They come after
	// Texts, in their order; their groups may stand in To.
	Expressions []MapEntry `json:"expressions,omitempty"`
	// Networks are those of geo, Source is an address then: the smallest network
	// counts. Their To are no texts.
	Networks []MapNetwork `json:"networks,omitempty"`
	// Shares are those of split_clients, in their order: Source decides by its
	// hash (MurmurHash2). Their To are no texts.
	Shares []MapShare `json:"shares,omitempty"`
	// Volatile looks it up each time, not once for a request.
	Volatile bool `json:"volatile,omitempty"`
}

// MapEntry is a line of a Map.
type MapEntry struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// MapShare is a line of split_clients: for hashes below Below that no line
// before it has, or with Rest for all of those.
type MapShare struct {
	Below uint32 `json:"below"`
	Rest  bool   `json:"rest,omitempty"`
	To    string `json:"to"`
}

// MapNetwork is a line of geo.
type MapNetwork struct {
	Net netip.Prefix `json:"net"`
	To  string       `json:"to"`
}
