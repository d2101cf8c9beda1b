package annotation

import (
	"crypto/tls"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSuites pins what lists of cipher suites mean, written as people do.
func TestSuites(t *testing.T) {
	t.Parallel()
	gcm := "ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-RSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-RSA-AES256-GCM-SHA384"
	chacha := "ECDHE-ECDSA-CHACHA20-POLY1305 ECDHE-RSA-CHACHA20-POLY1305"
	for _, tt := range []struct{ text, want, leftOut string }{
		{"ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384 ECDHE-RSA-AES128-GCM-SHA256", ""},
		{"HIGH:!aNULL:!MD5", "all", ""},
		{"DEFAULT", "all", ""},
		{"ALL:!aNULL:!EXPORT56:RC4+RSA:+HIGH:+MEDIUM:+LOW:+SSLv2:+EXP", "all", "RC4+RSA"},
		{"EECDH+AESGCM:EDH+AESGCM", gcm, "EDH+AESGCM"},
		{"HIGH:!AES", chacha, ""},
		{"!CHACHA20:ALL", gcm, ""},
		{"ALL:-AES:AES256+aRSA", chacha + " ECDHE-RSA-AES256-GCM-SHA384", ""},
		{"ECDHE+CHACHA20:ECDHE+AES256:!ECDSA:@STRENGTH", "ECDHE-RSA-CHACHA20-POLY1305 ECDHE-RSA-AES256-GCM-SHA384", ""},
		{"TLS_AES_128_GCM_SHA256, ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", ""},
		{"ECDHE-RSA-AES128-GCM-SHA256:AES128-SHA", "ECDHE-RSA-AES128-GCM-SHA256", "AES128-SHA"},
		{"RC4-MD5", "", ""},
		{"ALL:!ECDHE", "", ""},
		{":", "", ""},
	} {
		list, leftOut, err := ParseSuites(tt.text)
		var names []string
		for _, id := range list {
			name := tls.CipherSuiteName(id)
			for _, s := range suites {
				if s.id == id {
					name = s.name
				}
			}
			names = append(names, name)
		}
		got := strings.Join(names, " ")
		if list == nil && err == nil {
			got = "all"
		}
		if diff := cmp.Diff([]string{tt.want, tt.leftOut}, []string{got, strings.Join(leftOut, " ")}); diff != "" || (err == nil) != (tt.want != "") {
			t.Errorf("%s: %v %s", tt.text, err, diff)
		}
	}
}
