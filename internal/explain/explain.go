// Package explain answers "why does this URL go there?": it turns a request
// and the live configuration into the decision trail a person can read.
//
// It uses the table's own matching, so that its verdict cannot differ from
// what a request gets, and sends nothing anywhere.
package explain

// Request is the request to explain.
type Request struct {
	// URL is absolute ("https://shop.example/cart?x=1").
	URL string
	// Method defaults to GET.
	Method string
}

// Answer is the trail.
type Answer struct {
	URL string `json:"url"`
}
