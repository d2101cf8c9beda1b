package ir

// ResponseBuffering takes a response from the backend before the client does.
type ResponseBuffering struct {
	// Memory and Disk are octets; a response beyond waits for the client.
	Memory int64 `json:"memory"`
	Disk   int64 `json:"disk,omitempty"`
}

// UsualResponseHead is the size of a response head that every route takes.
const UsualResponseHead = 64 << 10
