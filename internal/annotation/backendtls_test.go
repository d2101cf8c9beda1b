package annotation

import (
	"crypto/tls"
	"testing"
)

// TestBackendVersions: versions that nobody should speak are left out.
func TestBackendVersions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text            string
		lowest, highest uint16
		bad             bool
	}{
		{"TLSv1.2 TLSv1.3", tls.VersionTLS12, tls.VersionTLS13, false},
		{"TLSv1.3 SSLv2 TLSv1   TLSv1.2", tls.VersionTLS12, tls.VersionTLS13, true},
		{"TLSv1 TLSv1.1 TLSv1.2", tls.VersionTLS12, tls.VersionTLS12, true},
		{"TLSv1 TLSv1.1", tls.VersionTLS12, tls.VersionTLS12, true},
		{"TLSv111 SSLv1", tls.VersionTLS12, tls.VersionTLS12, true},
	} {
		r := parse("proxy-ssl-secret", "ns/up", "proxy-ssl-protocols", tt.text)
		b := r.Values.BackendTLS
		if b.MinVersion != tt.lowest || b.MaxVersion != tt.highest || (len(r.Problems) > 0) != tt.bad {
			t.Errorf("%s: %x to %x, %v", tt.text, b.MinVersion, b.MaxVersion, r.Problems)
		}
	}
}

// TestBackendName: variables whose values a rule tells may be in a name, no others.
func TestBackendName(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"app.test":                            "app.test",
		"$host":                               "<host>",
		"${http_host}":                        "<host>",
		"$service_name.${namespace}.svc:8443": "<service_name>.<namespace>.svc:8443",
		"$ingress_name-$server_name":          "<ingress_name>-<host>",
		"$hostname":                           "",
		"$remote_addr":                        "",
		"${host":                              "",
		"a b":                                 "",
	} {
		name := parse("proxy-ssl-secret", "ns/up", "proxy-ssl-name", text).Values.BackendTLS.Name
		if got := BackendName(name, func(variable string) string { return "<" + variable + ">" }); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
