package ir

// Firewall judges requests and responses by rules of ModSecurity's language.
type Firewall struct {
	// Rules are directives, one a line. What they include is named as the
	// sets that Daemun brings along are.
	Rules string `json:"rules"`
	// TransactionID is a text with variables that names requests in the log;
	// empty is the request id.
	TransactionID string `json:"transactionID,omitempty"`
}
