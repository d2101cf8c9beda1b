package ir

import "time"

// Streams are the settings of the TCP and UDP ports that a controller leads to
// Services.
type Streams struct {
	// Idle ends connections and flows on which nothing was passed on for so long.
	Idle Duration `json:"idle"`
	// Tries is how many endpoints a connection may be tried at, 0 is all of
	// them; another one is not tried after RetryFor, 0 is no limit.
	Tries    int      `json:"tries"`
	RetryFor Duration `json:"retryFor"`
	// Responses is how many datagrams answer one of the client: with the last of
	// them the flow ends. Without a number, which nil is, flows only idle out.
	Responses *int `json:"responses,omitempty"`
}

// DefaultStreams are ingress-nginx's defaults (spec §8), but for Responses.
func DefaultStreams() Streams {
	return Streams{Idle: Duration(600 * time.Second), Tries: 3, RetryFor: Duration(600 * time.Second)}
}
