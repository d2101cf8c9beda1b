package annotation

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"

	"daemun/internal/ir"
)

// BackendTLS is what the annotations say about TLS towards backends. All of it
// counts only with a Secret (ingress-nginx §1.6).
type BackendTLS struct {
	// Secret is "namespace/name".
	Secret string
	// Name is verified, and with SendName sent.
	Name     string
	SendName bool
	ir.BackendTLS
}

// parseBackendVersions reads some of TLSv1.2 and TLSv1.3.
func parseBackendVersions(s string, v *Values) error {
	var lowest, highest uint16
	for word := range strings.FieldsSeq(s) {
		n := map[string]uint16{"TLSv1.2": tls.VersionTLS12, "TLSv1.3": tls.VersionTLS13}[word]
		if n == 0 {
			return fmt.Errorf("holds %s, which is not supported: write TLSv1.2, TLSv1.3 or both", quote(word))
		}
		if lowest == 0 || n < lowest {
			lowest = n
		}
		highest = max(highest, n)
	}
	v.BackendTLS.MinVersion, v.BackendTLS.MaxVersion = lowest, highest
	return nil
}

// suites are the cipher suites of TLS 1.2 by the names of OpenSSL.
var suites = map[string]uint16{
	"ECDHE-ECDSA-AES128-GCM-SHA256": tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	"ECDHE-RSA-AES128-GCM-SHA256":   tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	"ECDHE-ECDSA-AES256-GCM-SHA384": tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	"ECDHE-RSA-AES256-GCM-SHA384":   tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	"ECDHE-ECDSA-CHACHA20-POLY1305": tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	"ECDHE-RSA-CHACHA20-POLY1305":   tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// parseBackendSuites takes the suites that exist here; "DEFAULT" is all of them.
func parseBackendSuites(s string, v *Values) error {
	if len(s) > maxValue {
		return errors.New("is too long")
	}
	var list []uint16
	for name := range strings.SplitSeq(strings.TrimSpace(s), ":") {
		switch id, ok := suites[name]; {
		case name == "DEFAULT":
			v.BackendTLS.Suites = nil
			return nil
		case ok:
			list = append(list, id)
		}
	}
	if len(list) == 0 {
		return errors.New("holds no cipher suite that is supported: write names such as ECDHE-RSA-AES128-GCM-SHA256 with colons between them")
	}
	v.BackendTLS.Suites = list
	return nil
}

// ParseSuites reads cipher suites for clients. leftOut are names that do not
// exist here; the error says that nothing is left.
func ParseSuites(s string) (list []uint16, leftOut []string, err error) {
	if len(s) > maxValue {
		return nil, nil, errors.New("is too long")
	}
	for name := range strings.SplitSeq(strings.TrimSpace(s), ":") {
		name = strings.TrimSpace(name)
		id, ok := suites[name]
		switch {
		case name == "DEFAULT", name == "HIGH":
			return nil, nil, nil
		case ok && !slices.Contains(list, id):
			list = append(list, id)
		case ok, name == "", name[0] == '!', name[0] == '-', strings.HasPrefix(name, "TLS_"): // those of 1.3 are always there
		default:
			leftOut = append(leftOut, name)
		}
	}
	if len(list) == 0 {
		return nil, nil, errors.New("holds no cipher suite that is supported: write names such as ECDHE-RSA-AES128-GCM-SHA256 with colons between them")
	}
	return list, leftOut, nil
}

// LeftOutMessage says which suites are not there, and why.
func LeftOutMessage(names []string) string {
	return fmt.Sprintf("left out: %.200s; they are not offered, because they lack forward secrecy or authenticated encryption, or Go does not have them; the others are used",
		strings.Join(names, ", "))
}
