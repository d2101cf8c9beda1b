package admin

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestClientNamesWhatAnswers: a wrong admin address is told from a wrong
// question, and the address may be copied from a browser.
func TestClientNamesWhatAnswers(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.Handle("/", Handler(Config{Metrics: http.NotFoundHandler(), Dashboard: http.NotFoundHandler()}))
	mux.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "<html>nginx</html>")
	})
	mux.HandleFunc("/silent", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	host := strings.TrimPrefix(srv.URL, "http://")
	for _, c := range []struct{ address, path, want string }{
		{host, "/healthz", ""},
		{"http://" + host + "/", "/healthz", ""},
		{host, "/api/v1/horses", `unknown kind "horses"`},
		{host, "/api/v1/logs/a/b/c", "there is no /api/v1/logs/a/b/c at the admin address"},
		{host, "/page", "(status 404) is not the admin address of a Daemun: name that with --admin-address"},
		{host, "/silent", "answers with status 502"},
		{"nowhere", "/", `--admin-address "nowhere": want HOST:PORT, such as 127.0.0.1:10254`},
		{"127.0.0.1:nowhere", "/", `--admin-address "127.0.0.1:nowhere"`},
	} {
		body, err := (Client{Address: c.address}).Open(t.Context(), c.path, nil)
		if err == nil {
			body.Close()
		}
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s%s: %v, want %q", c.address, c.path, err, c.want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
