package ir

// Zone is what some limits count by. Limits that name the same one share its
// counts, whatever route they are of.
type Zone struct {
	Name string `json:"name"`
	// Key is a text with variables: requests for which it is the same count
	// together, those for which it is empty do not count.
	Key string `json:"key"`
	// Rate is in thousandths of a request per second; 0 is a zone that counts
	// requests that run.
	Rate int64 `json:"rate,omitempty"`
}

// ZoneLimits bound what a route is asked for, by zones that snippets make. A
// request has to be within all of them.
type ZoneLimits struct {
	Requests []RequestLimit `json:"requests,omitempty"`
	Running  []RunningLimit `json:"running,omitempty"`
	// RequestStatus and RunningStatus answer requests over a limit, those of
	// Limits too; 0 is that of the settings.
	RequestStatus int `json:"requestStatus,omitempty"`
	RunningStatus int `json:"runningStatus,omitempty"`
}

// RequestLimit bounds a rate. Burst requests may be ahead of it; those beyond
// the first AtOnce of these wait until the rate has come to them.
type RequestLimit struct {
	Zone   Zone  `json:"zone"`
	Burst  int64 `json:"burst,omitempty"`
	AtOnce int64 `json:"atOnce,omitempty"`
}

// RunningLimit bounds how many requests run at one time.
type RunningLimit struct {
	Zone Zone `json:"zone"`
	Most int  `json:"most"`
}
