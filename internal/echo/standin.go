package echo

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// standIn is what ECHO_STANDS_IN_FOR asks for; nil without it.
func (e environment) standIn() (http.HandlerFunc, error) {
	switch value := e.getenv("ECHO_STANDS_IN_FOR"); value {
	case "":
		return nil, nil
	case "oauth2-proxy":
		return signIn, nil
	case "error-pages":
		return errorPage, nil
	default:
		return nil, fmt.Errorf("ECHO_STANDS_IN_FOR is %q; want oauth2-proxy or error-pages", value)
	}
}

// sessionCookie is the name that oauth2-proxy gives its cookie.
const sessionCookie = "_oauth2_proxy"

// signIn has the paths of oauth2-proxy that an Ingress uses. Who starts to sign
// in is alice at once: there is no identity provider to ask.
func signIn(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/oauth2/auth":
		session, err := r.Cookie(sessionCookie)
		if err != nil || session.Value == "" {
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
			return
		}
		w.Header().Set("X-Auth-Request-User", session.Value)
		w.Header().Set("X-Auth-Request-Email", session.Value+"@example.com")
		w.WriteHeader(http.StatusAccepted)
	case "/oauth2/start":
		http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: "alice", Path: "/", HttpOnly: true})
		http.Redirect(w, r, localTarget(r.FormValue("rd")), http.StatusFound)
	default:
		http.NotFound(w, r)
	}
}

// localTarget is a path of this site; a sign-in that redirects anywhere would
// lend its name to other sites.
func localTarget(rd string) string {
	if !strings.HasPrefix(rd, "/") || strings.HasPrefix(rd, "//") || strings.HasPrefix(rd, `/\`) {
		return "/"
	}
	return rd
}

// errorPage answers with the status that the controller names in X-Code, as
// the image custom-error-pages of ingress-nginx does.
func errorPage(w http.ResponseWriter, r *http.Request) {
	status, err := strconv.Atoi(r.Header.Get("X-Code"))
	if err != nil || status < 400 || status > 599 {
		status = http.StatusNotFound
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintf(w, "Our own page for %d, asked for by Ingress %s\n", status, r.Header.Get("X-Ingress-Name"))
}
