package conformance

import (
	"flag"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the table of docs/security.md")

// classic is a message of testdata/smuggling.txt of http1 that is refused.
type classic struct{ name, rule, message string }

// classics are the messages that two readers could take for different ones, or
// that no sender of good will makes.
func classics(t *testing.T) (list []classic) {
	t.Helper()
	text, err := os.ReadFile("../../internal/http1/testdata/smuggling.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		part := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		outcome := strings.Fields(part[1])
		if outcome[0] == "read" || part[0] == "http2-preface" { // HTTP/2 begins so, which a port may serve
			continue
		}
		message, err := strconv.Unquote(part[2])
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, classic{part[0], outcome[len(outcome)-1], message})
	}
	return list
}

// TestRefusals sends each to Daemun, nginx and HAProxy. Nothing of it may come
// from Daemun to the backend as a request, nor may the client get an answer of
// that. What the others do is measured, not demanded: the rules are ours.
func TestRefusals(t *testing.T) {
	rec := &recorder{got: map[string][]string{}}
	server := httptest.NewServer(rec)
	t.Cleanup(server.Close)
	origin := server.Listener.Addr().String()
	daemun, _ := startWith(t, fmt.Sprintf(route, "a", portOf(t, origin)))
	peers := map[string]string{
		"nginx":   fmt.Sprintf("127.0.0.1:%d", startNginx(t, origin)),
		"HAProxy": fmt.Sprintf("127.0.0.1:%d", startHAProxy(t, origin)),
	}
	refused := map[string]map[string]int{} // by rule and program
	for _, c := range classics(t) {
		of := refused[c.rule]
		if of == nil {
			of = map[string]int{}
			refused[c.rule] = of
		}
		of["all"]++
		if !passes(t, rec, daemun, c, patience) {
			of["Daemun"]++
		} else {
			t.Errorf("%s (%s): %q is forwarded", c.name, c.rule, c.message)
		}
		for name, addr := range peers {
			if !passes(t, rec, addr, c, 20*time.Second) {
				of[name]++
			} else {
				t.Logf("%s lets %s pass: %q", name, c.name, c.message)
			}
		}
	}
	table := refusalTable(t, refused)
	t.Log("\n" + table)
	if *update {
		writeTable(t, table)
	}
}

// passes reports whether a message, or a part of it, becomes a request to the
// backend or is answered as if it had been one.
func passes(t *testing.T, rec *recorder, addr string, c classic, wait time.Duration) bool {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(wait))
	// May be refused before its end; who takes the message answers this one, too.
	_, _ = io.WriteString(nc, c.message+"GET /end HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	answer, _ := io.ReadAll(nc)
	for _, host := range rec.hosts() {
		for _, said := range rec.take(host) {
			if !strings.HasPrefix(said, "GET /end ") {
				return true
			}
		}
	}
	first := regexp.MustCompile(`\AHTTP/1\.[01] 2`).Match(answer)
	return first || len(answer) > 0 && !strings.HasPrefix(string(answer), "HTTP/1.")
}

// hosts are those of requests that came.
func (r *recorder) hosts() (list []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for host := range r.got {
		list = append(list, host)
	}
	return list
}
