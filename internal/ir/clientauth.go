package ir

// ClientMode says what a host wants of client certificates.
type ClientMode string

// The modes: a good certificate is needed; one that is sent must be good; one
// that is sent may come from anybody; none is asked for.
const (
	ClientRequired ClientMode = "on"
	ClientOptional ClientMode = "optional"
	ClientAnyCA    ClientMode = "optional_no_ca"
	ClientOff      ClientMode = "off"
)

// ClientAuth is about the certificates of clients (ingress-nginx §4.5).
type ClientAuth struct {
	// Broken closes the host: every request gets 403.
	Broken bool `json:"broken,omitempty"`
	// Secret is "namespace/name" of where CAs and CRLs come from; Fingerprint
	// changes with them.
	Secret      string     `json:"secret"`
	Fingerprint string     `json:"fingerprint,omitempty"`
	Mode        ClientMode `json:"mode"`
	// Depth is how many CAs may stand between a certificate and a trusted one.
	Depth int `json:"depth"`
	// ErrorPage is a text with variables: the URL that clients without a good
	// certificate are redirected to; empty is 400.
	ErrorPage string `json:"errorPage,omitempty"`
	// PassCertificate sends the certificate to the backend.
	PassCertificate bool `json:"passCertificate,omitempty"`
	// MatchCN is an expression that the subject has to match, else 403.
	MatchCN string `json:"matchCN,omitempty"`
	// CAs and CRLs are PEM.
	CAs  []byte `json:"-"`
	CRLs []byte `json:"-"`
}
