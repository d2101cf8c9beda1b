package configmap

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"daemun/internal/annotation"
	"daemun/internal/ir"
)

// CodeLeftOut says that cipher suites of the ConfigMap were left out.
const CodeLeftOut = "DMN0319"

// parseProtocols takes the versions that exist here; a list without any of them
// is refused.
func parseProtocols(s string, v *Values) error {
	var has12, has13 bool
	for name := range strings.FieldsSeq(s) {
		switch name {
		case "TLSv1.2":
			has12 = true
		case "TLSv1.3":
			has13 = true
		case "TLSv1", "TLSv1.1", "SSLv3", "SSLv2":
			v.leftOut = append(v.leftOut, name)
		default:
			return fmt.Errorf("holds %.20q, which is no version: write TLSv1.2 and TLSv1.3, with a blank between them", name)
		}
	}
	if !has12 && !has13 {
		return errors.New("holds no version that is offered: write TLSv1.2, TLSv1.3 or both")
	}
	v.Settings.TLS.No12, v.Settings.TLS.No13 = !has12, !has13
	return nil
}

func parseSuites(s string, v *Values) error {
	list, leftOut, err := annotation.ParseSuites(s)
	if err != nil {
		return err
	}
	v.Settings.TLS.Suites = list
	v.leftOut = append(v.leftOut, leftOut...)
	return nil
}

// tellLeftOut names the versions and suites that are not offered.
func (p *parsing) tellLeftOut() {
	var versions, suites []string
	for _, name := range p.Values.leftOut {
		if strings.HasPrefix(name, "TLSv") || strings.HasPrefix(name, "SSLv") {
			versions = append(versions, name)
		} else {
			suites = append(suites, name)
		}
	}
	p.Values.leftOut = nil
	if len(versions) > 0 {
		p.report(CodeLeftOut, ir.SeverityWarning, "ssl-protocols", "left out: "+strings.Join(versions, ", ")+"; versions before 1.2 are broken and never offered")
	}
	if len(suites) > 0 {
		p.report(CodeLeftOut, ir.SeverityWarning, "ssl-ciphers", annotation.LeftOutMessage(suites))
	}
}

// curves are the groups of key exchange by the names of OpenSSL.
var curves = map[string]tls.CurveID{
	"X25519MLKEM768": tls.X25519MLKEM768, "X25519": tls.X25519, "x25519": tls.X25519,
	"P-256": tls.CurveP256, "prime256v1": tls.CurveP256, "secp256r1": tls.CurveP256,
	"P-384": tls.CurveP384, "secp384r1": tls.CurveP384,
	"P-521": tls.CurveP521, "secp521r1": tls.CurveP521,
}

func parseCurves(s string, v *Values) error {
	v.Settings.TLS.Curves = nil
	if s == "auto" {
		return nil
	}
	var list []uint16
	for name := range strings.SplitSeq(s, ":") {
		id, ok := curves[strings.TrimSpace(name)]
		if !ok {
			return fmt.Errorf("holds %.20q, which is no group: write auto, or names such as X25519 and prime256v1 with colons between them", name)
		}
		list = append(list, uint16(id))
	}
	v.Settings.TLS.Curves = list
	return nil
}

func parseEarlyData(s string, v *Values) error {
	on := false
	if err := boolean(func(_ *Values, b bool) { on = b })(s, v); err != nil {
		return err
	}
	if on {
		return errors.New("is not offered: early data can be sent again by others than the client")
	}
	return nil
}

func parseTicketKey(s string, v *Values) error {
	key, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(key) != 48 && len(key) != 80 {
		return errors.New("is no key: write 48 or 80 random octets in base64, as from openssl rand -base64 80")
	}
	v.Settings.TLS.TicketKey = string(key)
	return nil
}
