package admin

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
)

// guarded keeps the pages of other sites away from the state of this one. A
// browser on this machine reaches loopback for every page that is open in it:
//
//   - a page that gives its own name this address (DNS rebinding) is told by the
//     Host field, which still holds that name;
//   - a page that asks across origins is told by Sec-Fetch-Site or Origin. It may
//     only lead here, as any link does.
//
// The open paths are for probes and scrapes, which come by any name. Metrics tell
// names and paths, so nobody scrapes them on loopback by a name of others.
func guarded(next http.Handler, open map[string]http.HandlerFunc, names []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case open[r.URL.Path] != nil && (r.URL.Path != "/metrics" || !onLoopback(r)):
		case !ownHost(r.Host, names):
			http.Error(w, "this address is not called "+hostOnly(r.Host)+": ask it by IP address, as localhost, or by the name of the machine", http.StatusMisdirectedRequest)
			return
		case crossSite(r):
			http.Error(w, "requests of other sites are not answered", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Guard keeps the pages of other sites away from another address of the operator,
// which is written as listening.
func Guard(next http.Handler, listening string) http.Handler {
	return guarded(next, nil, ownNames(listening))
}

// onLoopback reports whether a request came to an address that only this machine
// reaches, as those of its browsers do, and of kubectl port-forward.
func onLoopback(r *http.Request) bool {
	address, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if address == nil {
		return false
	}
	at, err := netip.ParseAddrPort(address.String())
	return err == nil && at.Addr().Unmap().IsLoopback()
}

// ownNames are the names besides addresses and localhost: that of the machine,
// and the one the operator wrote.
func ownNames(address string) []string {
	var names []string
	if name, err := os.Hostname(); err == nil {
		names = append(names, strings.ToLower(name))
	}
	if host := hostOnly(address); host != "" {
		names = append(names, host)
	}
	return names
}

// ownHost reports whether a Host field names this machine. An address is always
// right: who has rebound a name has that name in the field.
func ownHost(field string, names []string) bool {
	host := hostOnly(field)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.Contains(names, host) {
		return true
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}

// hostOnly cuts the port off, and the brackets of an address.
func hostOnly(field string) string {
	host, _, err := net.SplitHostPort(field)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(field, "["), "]")
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// crossSite reports whether a page of another origin asks. Browsers say so in
// Sec-Fetch-Site; those that are older, in Origin.
func crossSite(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
	default:
		return r.Header.Get("Sec-Fetch-Mode") != "navigate" || r.Header.Get("Sec-Fetch-Dest") != "document" || r.Method != http.MethodGet
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	return err != nil || u.Host != r.Host
}
