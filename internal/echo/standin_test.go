package echo

import (
	"net/http"
	"testing"
)

func TestStandInForOAuth2Proxy(t *testing.T) {
	t.Parallel()
	address := startHTTP(t, "ECHO_STANDS_IN_FOR=oauth2-proxy").find("http")
	cases := []struct {
		target, cookie string
		status         int
		user, location string
	}{
		{"/oauth2/auth", "", http.StatusUnauthorized, "", ""},
		{"/oauth2/auth", "_oauth2_proxy=", http.StatusUnauthorized, "", ""},
		{"/oauth2/auth", "_oauth2_proxy=alice", http.StatusAccepted, "alice", ""},
		{"/oauth2/start?rd=%2Fa%3Fb", "", http.StatusFound, "", "/a?b"},
		{"/oauth2/start?rd=%2F%2Fevil.test", "", http.StatusFound, "", "/"},
		{"/oauth2/start?rd=https%3A%2F%2Fevil.test", "", http.StatusFound, "", "/"},
		{"/other", "", http.StatusNotFound, "", ""},
		{"/health", "", http.StatusOK, "", ""},
	}
	for _, c := range cases {
		resp, _ := get(t, address, c.target, "Cookie: "+c.cookie)
		if resp.StatusCode != c.status || resp.Header.Get("X-Auth-Request-User") != c.user || resp.Header.Get("Location") != c.location {
			t.Errorf("%s with %q: %d %v; want %d, user %q, location %q", c.target, c.cookie, resp.StatusCode, resp.Header, c.status, c.user, c.location)
		}
	}
}

func TestStandInForErrorPages(t *testing.T) {
	t.Parallel()
	address := startHTTP(t, "ECHO_STANDS_IN_FOR=error-pages").find("http")
	for code, want := range map[string]int{"503": 503, "429": 429, "200": 404, "x": 404, "": 404} {
		if resp, _ := get(t, address, "/", "X-Code: "+code); resp.StatusCode != want {
			t.Errorf("X-Code %q: %d; want %d", code, resp.StatusCode, want)
		}
	}
}
