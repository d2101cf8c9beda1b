package ir

// Logs says how logs are written. The zero value is the usual: lines in the
// usual format to standard output.
type Logs struct {
	// Format and StreamFormat are texts with variables; empty is the usual.
	Format       string `json:"format,omitempty"`
	StreamFormat string `json:"streamFormat,omitempty"`
	// Escape is that of values in Format: "" for nginx's own, "json", "none".
	Escape string `json:"escape,omitempty"`
	// Skip are request URIs without a line: exact ones whatever their case, or
	// expressions after "~" and "~*".
	Skip []string `json:"skip,omitempty"`
	// StreamOff writes no lines of TCP and UDP services, AuthRequests writes
	// some of the requests to services of external authentication.
	StreamOff    bool `json:"streamOff,omitempty"`
	AuthRequests bool `json:"authRequests,omitempty"`
	// Path and StreamPath are files; empty is standard output. The lines of
	// TCP and UDP services go where the others go unless StreamPath is set.
	Path       string `json:"path,omitempty"`
	StreamPath string `json:"streamPath,omitempty"`
	// Syslog is "host:port" of a server that gets the lines instead.
	Syslog string `json:"syslog,omitempty"`
	// Level is the least severity of what Daemun says about itself: "debug",
	// "warn", "error"; empty is info.
	Level string `json:"level,omitempty"`
}
