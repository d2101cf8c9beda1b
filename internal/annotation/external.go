package annotation

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"daemun/internal/ir"
	"daemun/internal/variable"
)

var (
	urlTextChars = regexp.MustCompile(`^[-._~a-zA-Z0-9/:?&=$%+,@{}\[\]]*$`)
	keyChars     = regexp.MustCompile(`^[-._~a-zA-Z0-9/:$|{} ]+$`)
	paramChars   = regexp.MustCompile(`^[-._~a-zA-Z0-9]+$`)
	fieldList    = regexp.MustCompile(`^[-_a-zA-Z0-9]+$`)
	hostName     = regexp.MustCompile(`^[a-zA-Z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?)*$`)
)

// URLText is a URL whose path and query may have variables.
type URLText struct {
	Text   string
	Secure bool
	// Host and Port are where it leads. OwnHost says that it is the host of
	// the request, by its variable; Host and Port are then empty.
	Host    string
	Port    uint16
	OwnHost bool
	// Target is path and query, a text.
	Target string
}

// ParseURLText reads an http or https URL. Its host must have no variables
// other than that of the request's own host.
func ParseURLText(s string) (u URLText, err error) {
	if !urlTextChars.MatchString(s) || len(s) > maxValue {
		return u, &valueError{msg: "is not a URL: it may hold letters, digits, variables and -._~/:?&=%+,@[] only", outcome: Reject}
	}
	u.Text = s
	scheme, rest, ok := strings.Cut(s, "://")
	u.Secure = scheme == "https"
	if !ok || scheme != "http" && scheme != "https" {
		return u, errors.New("has no scheme: write http:// or https:// and a host")
	}
	authority := rest
	if i := endOfAuthority(rest); i >= 0 {
		authority, u.Target = rest[:i], rest[i:]
	}
	if !strings.HasPrefix(u.Target, "/") && !strings.HasPrefix(u.Target, "$") {
		u.Target = "/" + u.Target
	}
	if _, err := variable.Parse(u.Target); err != nil {
		return u, fmt.Errorf("cannot be used: %w", err)
	}
	return u, u.setHost(authority)
}

// endOfAuthority is where path or query begin, -1 if there is neither. A path
// may be a variable: "http://copy.test$request_uri".
func endOfAuthority(s string) int {
	end := strings.IndexAny(s, "/?")
	for _, path := range []string{"$request_uri", "${request_uri}", "$uri", "${uri}"} {
		if i := strings.Index(s, path); i > 0 && (end < 0 || i < end) {
			end = i
		}
	}
	return end
}

// ownHosts are the variables that mean the host of the request.
var ownHosts = []string{"$host", "$http_host", "$best_http_host", "${host}"}

func (u *URLText) setHost(authority string) error {
	if name, _, _ := strings.Cut(authority, ":"); slices.Contains(ownHosts, name) {
		u.OwnHost = true
		return nil
	}
	if strings.Contains(authority, "$") {
		return fmt.Errorf("has a variable in its host, which is not supported beside %s: write the host itself", ownHosts[0])
	}
	port := "80"
	if u.Secure {
		port = "443"
	}
	host := authority
	if h, p, err := net.SplitHostPort(authority); err == nil {
		host, port = h, p
	}
	host = strings.Trim(host, "[]")
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return fmt.Errorf("has the port %.20q, which is none", port)
	}
	if _, err := netip.ParseAddr(host); err != nil && (len(host) > 253 || !hostName.MatchString(host)) {
		return fmt.Errorf("has no host (%.60q): write a DNS name or an address", host)
	}
	u.Host, u.Port = strings.ToLower(host), uint16(n)
	return nil
}

// ExternalAuth is what the annotations, or the global settings, say about
// asking a service. Its texts are checked.
type ExternalAuth struct {
	URL             URLText
	Method          string
	SignIn          string
	SignInParam     string
	ResponseHeaders []string
	// SetHeaders is "namespace/name" of a ConfigMap.
	SetHeaders      string
	Redirect        string
	CacheKey        string
	CacheFor        []ir.CacheFor
	AlwaysSetCookie bool
}

// DefaultExternalAuth has the defaults of the annotations.
func DefaultExternalAuth() ExternalAuth {
	return ExternalAuth{
		SignInParam: "rd", Redirect: "$request_uri",
		CacheFor: []ir.CacheFor{{Statuses: []int{200, 202, 401}, For: ir.Duration(5 * time.Minute)}},
	}
}

// textOf reads a text with variables.
func textOf(chars *regexp.Regexp, set func(a *ExternalAuth, s string)) func(string, *ExternalAuth) error {
	return func(s string, a *ExternalAuth) error {
		s = strings.TrimSpace(s)
		if len(s) > maxValue || !chars.MatchString(s) {
			return errors.New("holds characters that are not accepted here")
		}
		if _, err := variable.Parse(s); err != nil {
			return fmt.Errorf("cannot be used: %w", err)
		}
		set(a, s)
		return nil
	}
}

// authMethods are those that a service may be asked with.
var authMethods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

func parseAuthMethod(s string, a *ExternalAuth) error {
	if s = strings.TrimSpace(s); !slices.Contains(authMethods, s) {
		return errors.New("is none of " + strings.Join(authMethods, ", "))
	}
	a.Method = s
	return nil
}

func parseAuthURL(s string, a *ExternalAuth) error {
	u, err := ParseURLText(strings.TrimSpace(s))
	if err == nil {
		a.URL = u
	}
	return err
}

// framingFields are what each message has of its own. The length of an answer as
// that of a request would make the next request on the connection its body.
var framingFields = []string{
	"connection", "content-length", "expect", "host", "http2-settings", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
}

// parseAuthFields reads the names of fields that the backend gets of the answer.
func parseAuthFields(s string, a *ExternalAuth) error {
	a.ResponseHeaders = nil
	for name := range strings.SplitSeq(s, ",") {
		switch name = strings.TrimSpace(name); {
		case name == "":
		case !fieldList.MatchString(name):
			return fmt.Errorf("holds %s, which is no field name: write field names with commas between them", quote(name))
		case slices.Contains(framingFields, strings.ToLower(name)):
			return fmt.Errorf("holds %s, which says how a message is framed or where it goes: that of the answer cannot be that of the request", quote(name))
		default:
			a.ResponseHeaders = append(a.ResponseHeaders, name)
		}
	}
	return nil
}

// parseCacheFor reads "200 202 401 5m, 404 10s".
func parseCacheFor(s string, a *ExternalAuth) error {
	a.CacheFor = nil
	for part := range strings.SplitSeq(s, ",") {
		words := strings.Fields(part)
		if len(words) == 0 {
			continue
		}
		d, err := nginxTime(words[len(words)-1])
		if err != nil {
			return fmt.Errorf("has no time at the end of %s: write statuses and a time, such as 200 401 5m", quote(part))
		}
		c := ir.CacheFor{For: ir.Duration(d)}
		for _, w := range words[:len(words)-1] {
			n, err := strconv.Atoi(w)
			if w == "any" {
				continue
			}
			if err != nil || n < 100 || n > 599 {
				return fmt.Errorf("holds %s, which is no status: write statuses and a time, such as 200 401 5m", quote(w))
			}
			c.Statuses = append(c.Statuses, n)
		}
		if len(words) == 1 { // as nginx
			c.Statuses = []int{200, 301, 302}
		}
		a.CacheFor = append(a.CacheFor, c)
	}
	return nil
}

// nginxTime reads a number with one of nginx's units, which has to be there: a
// number alone would be a status.
func nginxTime(s string) (time.Duration, error) {
	const day = 24 * time.Hour
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': day, 'w': 7 * day, 'M': 30 * day, 'y': 365 * day}
	if s == "" || units[s[len(s)-1]] == 0 {
		return 0, errors.New("no unit")
	}
	unit := units[s[len(s)-1]]
	n, err := strconv.ParseUint(s[:len(s)-1], 10, 31)
	if err != nil || time.Duration(n) > 365*day/unit {
		return 0, errors.New("no time")
	}
	return time.Duration(n) * unit, nil
}

// external puts a parser of ExternalAuth into the table.
func external(parse func(string, *ExternalAuth) error) func(string, *Values) error {
	return func(s string, v *Values) error { return parse(s, &v.External) }
}

func parseMirror(s string, v *Values) error {
	u, err := ParseURLText(strings.TrimSpace(s))
	switch {
	case err != nil:
		return &valueError{msg: err.Error(), outcome: UseDefault}
	case u.OwnHost:
		return errors.New("mirrors to the host of the request itself: write another host")
	}
	v.MirrorTarget = u
	return nil
}
