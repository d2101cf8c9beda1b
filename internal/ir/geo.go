package ir

// Geo asks databases about the addresses of clients.
type Geo struct {
	// Reload is how often is looked for new files, 0 for never.
	Reload Duration `json:"reload,omitempty"`
}
