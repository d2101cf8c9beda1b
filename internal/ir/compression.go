package ir

// Compression compresses responses of all hosts.
type Compression struct {
	// Gzip and Brotli are nil when that coding is not used.
	Gzip   *Coding `json:"gzip,omitempty"`
	Brotli *Coding `json:"brotli,omitempty"`
	// GzipDisable are expressions; user agents that match one of them get no
	// gzip.
	GzipDisable []string `json:"gzipDisable,omitempty"`
}

// Coding is how one content coding is used.
type Coding struct {
	Level int `json:"level"`
	// MinLength is the least size of a response of known length.
	MinLength int64 `json:"minLength"`
	// Types are media types; "*" is all of them. text/html is always one.
	Types []string `json:"types"`
}
