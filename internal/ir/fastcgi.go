package ir

// FastCGI is what a FastCGI backend is told beside the request.
type FastCGI struct {
	// Index is appended to paths that end with a slash.
	Index string `json:"index,omitempty"`
	// Params are sorted by name; values may hold variables.
	Params []Field `json:"params,omitempty"`
}
