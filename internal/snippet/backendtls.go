package snippet

import (
	"regexp"
	"strings"
)

// BackendTLS is what a text says of TLS towards backends; nil is nothing.
type BackendTLS struct {
	Name     *string
	SendName *bool
}

// HostName is the one variable that a name may be: the host of the routes.
const HostName = "$host"

var tlsName = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,253}$`)

func readTLSName(r *reader, d *directive) string {
	name := strings.ReplaceAll(strings.ToLower(d.args[0].text), "${host}", HostName)
	if name != HostName && !tlsName.MatchString(name) {
		return "its argument is no name: write one such as backend.example.com, or $host, and no other variable"
	}
	r.TLS.Name = &name
	return ""
}

func readTLSServerName(r *reader, d *directive) string { return onOff(d, &r.TLS.SendName) }

func readTLSVerify(r *reader, d *directive) string {
	if d.args[0].text != "off" {
		return "only off is supported: use the annotations proxy-ssl-secret, proxy-ssl-name and proxy-ssl-verify"
	}
	r.problem(d, NoEffect, "certificates of backends are checked with the annotation proxy-ssl-verify only")
	return ""
}
