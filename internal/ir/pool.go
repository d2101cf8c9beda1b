package ir

import "time"

// Pool is how connections to backends are kept for further requests.
type Pool struct {
	// Connections is how many of a backend may be idle, 0 keeps none.
	Connections int `json:"connections"`
	// Requests and Age end a connection after so many requests and so long a
	// time, Idle after it was not used for so long.
	Requests int      `json:"requests"`
	Age      Duration `json:"age"`
	Idle     Duration `json:"idle"`
}

// DefaultPool has ingress-nginx's defaults (spec §5.5).
func DefaultPool() Pool {
	return Pool{Connections: 320, Requests: 10000, Age: Duration(time.Hour), Idle: Duration(60 * time.Second)}
}
