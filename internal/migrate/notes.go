package migrate

import (
	"regexp"
	"slices"
	"strings"

	"daemun/internal/annotation"
	"daemun/internal/ir"
	"daemun/internal/translate"
)

// note is an annotation that works, but not exactly as with ingress-nginx.
type note struct {
	name string
	// when says for which values; nil is for all.
	when func(value string) bool
	how  string
}

// notes are the approximations of docs/differences.md that one annotation
// brings with it.
func notes() []note {
	is := func(want string) func(string) bool {
		return func(value string) bool { return strings.EqualFold(value, want) }
	}
	return []note{
		{"auth-type", is("digest"), "MD5 with qop=auth only; a challenge may be answered for 60 s"},
		{"canary-by-header-pattern", notRE2, "expressions are RE2, without look-around and backreferences: requests with the field go to the main backend"},
		{"connection-proxy-header", nil, "Upgrade is not sent to the backend either"},
		{"cors-allow-origin", noOrigin, "no element of the list is an origin, so that none is allowed; ingress-nginx then allows all"},
		{"custom-headers", nil, "may not set fields that belong to the connection"},
		{"affinity", nil, "the endpoint of a client that has no cookie of Daemun's yet is chosen anew"},
		{"upstream-hash-by", nil, "which endpoint a value leads to is not that of ingress-nginx"},
		{"limit-rate", nil, "acts whether proxy-buffering is on or not"},
		{"proxy-next-upstream", repeats, "only GET, HEAD, PUT, DELETE, OPTIONS and PROPFIND are sent again, without non_idempotent"},
		{"proxy-next-upstream-tries", is("0"), "means twice the number of endpoints, at least 3, not without end"},
	}
}

func notRE2(pattern string) bool {
	_, err := regexp.Compile(pattern)
	return err != nil
}

func noOrigin(list string) bool {
	v := annotation.Defaults()
	r := annotation.ParseOver(v, "p", ir.Ref{}, map[string]string{"p/enable-cors": "true", "p/cors-allow-origin": list})
	return len(r.Values.CORS.Origins) == 0
}

// repeats reports whether conditions ask for further attempts, but not for
// those of any method.
func repeats(conditions string) bool {
	words := strings.Fields(conditions)
	return !slices.Contains(words, "off") && !slices.Contains(words, "non_idempotent")
}

// behaviours are problems that ingress-nginx does not have, and what to do.
func behaviours() map[string]string {
	return map[string]string{
		translate.CodeExpression:   "ingress-nginx takes PCRE: write it without look-around and backreferences",
		translate.CodeTooMany:      "split the host, or make one expression of several",
		translate.CodeExternalName: "name the Service itself instead",
	}
}

// differences are those of docs/differences.md that hold for every set-up.
func differences() []string {
	return []string{
		"No change closes a connection; there are no reloads.",
		"What is unknown, wrong or without effect is a problem: an Event of the object and a line of `daemun get problems`.",
		"What guards fails closed: an unusable guard answers 503, where ingress-nginx fails open for some.",
		"Snippets are read into typed policies and never become text of a configuration; a directive that is not understood closes its routes (docs/snippets.md).",
		"Malformed and ambiguous requests are refused where nginx repairs them (docs/hardening.md).",
		"A head that is too large gets 431 instead of 400.",
		"TLS 1.2 has no DHE suites; X25519MLKEM768 is offered; session tickets are on.",
		"Error pages say daemun in their footer; there is no Server field.",
	}
}
