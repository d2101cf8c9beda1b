package annotation

import (
	"crypto/tls"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"daemun/internal/ir"
)

// BackendTLS is what the annotations say about TLS towards backends. All of it
// counts only with a Secret (ingress-nginx §1.6).
type BackendTLS struct {
	// Secret is "namespace/name".
	Secret string
	// Name is verified, and with SendName sent. BackendName puts its variables in.
	Name     string
	SendName bool
	ir.BackendTLS
}

// oldVersions are those that nobody should speak any more, and that crypto/tls
// would not choose.
var oldVersions = []string{"SSLv2", "SSLv3", "TLSv1", "TLSv1.1"}

// parseBackendVersions reads some of TLSv1.2 and TLSv1.3. Older ones beside them
// are left out.
func parseBackendVersions(s string, v *Values) error {
	var lowest, highest uint16
	leftOut := ""
	for word := range strings.FieldsSeq(s) {
		n := map[string]uint16{"TLSv1.2": tls.VersionTLS12, "TLSv1.3": tls.VersionTLS13}[word]
		switch {
		case slices.Contains(oldVersions, word):
			leftOut = word
			continue
		case n == 0:
			return fmt.Errorf("holds %s, which is not supported: write TLSv1.2, TLSv1.3 or both", quote(word))
		case lowest == 0, n < lowest:
			lowest = n
		}
		highest = max(highest, n)
	}
	if lowest == 0 {
		return errors.New("holds no version that is spoken: write TLSv1.2, TLSv1.3 or both")
	}
	v.BackendTLS.MinVersion, v.BackendTLS.MaxVersion = lowest, highest
	if leftOut != "" {
		return &partlyBad{fmt.Sprintf("holds %s, which is not spoken; the newer versions apply", quote(leftOut))}
	}
	return nil
}

// backendVariable is a variable that a name of a backend may have: one whose
// value the rule of an Ingress tells, so that all requests of a route agree.
var backendVariable = regexp.MustCompile(`\$(\{(host|http_host|best_http_host|server_name|service_name|namespace|ingress_name)\}|` +
	`(host|http_host|best_http_host|server_name|service_name|namespace|ingress_name)\b)`)

func parseBackendName(s string, v *Values) error {
	s = strings.TrimSpace(s)
	if len(s) > maxValue || !hostChars.MatchString(backendVariable.ReplaceAllString(s, "x")) {
		return errors.New("is not a host name, and has no variables other than $host, $service_name, $namespace and $ingress_name")
	}
	v.BackendTLS.Name = s
	return nil
}

// BackendName puts values of variables into a name of proxy-ssl-name; all that
// mean the host are "host".
func BackendName(text string, value func(variable string) string) string {
	return backendVariable.ReplaceAllStringFunc(text, func(name string) string {
		switch name = strings.Trim(name, "${}"); name {
		case "http_host", "best_http_host", "server_name":
			name = "host"
		}
		return value(name)
	})
}
