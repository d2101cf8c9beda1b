package configmap

import (
	"errors"
	"strings"
	"time"

	"daemun/internal/annotation"
	"daemun/internal/ir"
)

// CodeTrustsAll says that what any client says of its address is believed.
const CodeTrustsAll = "DMN0315"

// anyIPv4 is ingress-nginx's default for the peers that are trusted.
const anyIPv4 = "0.0.0.0/0"

// parseTrusted reads the peers that are believed. The default means everybody,
// whatever their family.
func parseTrusted(s string, v *Values) error {
	v.Settings.Forwarded.Trusted = nil
	if s == anyIPv4 {
		return nil
	}
	list, err := annotation.ParseNetworks(s)
	if err != nil {
		return err
	}
	v.Settings.Forwarded.Trusted = list
	return nil
}

// HeaderTimeout is how long a header of the PROXY protocol may take, also at
// ports that expect one without use-proxy-protocol.
func (v *Values) HeaderTimeout() time.Duration { return v.proxyTimeout }

func parseProxyProtocol(s string, v *Values) error {
	return boolean(func(v *Values, b bool) {
		v.Settings.ProxyProtocol = nil
		if b {
			v.Settings.ProxyProtocol = &ir.ProxyProtocol{}
		}
	})(s, v)
}

// longestFieldName bounds the name of a field.
const longestFieldName = 128

// fieldName reads the name of a field; usual is the one that is known without
// being named.
func fieldName(usual string, set func(v *Values, name string)) func(string, *Values) error {
	return func(s string, v *Values) error {
		name := strings.ToLower(s)
		if len(name) > longestFieldName || strings.ContainsFunc(name, notOfFieldName) {
			return errors.New("is not the name of a field: write letters, digits and hyphens, such as X-Forwarded-For")
		}
		if ownFields[name] {
			return errors.New("is a field that means something else to Daemun: name another")
		}
		if name == usual {
			name = ""
		}
		set(v, name)
		return nil
	}
}

// ownFields cannot carry what a proxy says about the client.
var ownFields = map[string]bool{
	"host": true, "connection": true, "content-length": true, "transfer-encoding": true, "upgrade": true, "te": true,
	"trailer": true, "keep-alive": true, "expect": true, "cookie": true, "authorization": true, "proxy-authorization": true, "proxy": true,
	"proxy-connection": true, "http2-settings": true,
}

func notOfFieldName(r rune) bool {
	return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z')
}

// settleTrust tells who trusts everybody: allow lists and limits then go by
// what clients say of themselves.
func (p *parsing) settleTrust() {
	s := &p.Values.Settings
	if len(s.Forwarded.Trusted) > 0 || p.Values.Denied {
		return
	}
	for _, key := range []struct {
		name string
		on   bool
	}{
		{"use-forwarded-headers", s.Forwarded.Believe},
		{"enable-real-ip", s.Forwarded.BelieveAddress},
		{"use-proxy-protocol", s.ProxyProtocol != nil},
	} {
		if key.on {
			p.report(CodeTrustsAll, ir.SeverityNotice, key.name,
				"everybody who can connect is believed about the client's address; write the networks of your proxies into proxy-real-ip-cidr")
			return
		}
	}
}
