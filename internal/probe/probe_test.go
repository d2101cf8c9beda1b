package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func hostPort(t *testing.T, raw string) (host string, port int32) {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return u.Hostname(), int32(n)
}

func httpGet(path string, port int32) *corev1.Probe {
	return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromInt32(port)}}}
}

func testServer(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/code":
		code, _ := strconv.Atoi(r.URL.Query().Get("c"))
		w.WriteHeader(code)
	case "/loop":
		http.Redirect(w, r, "/loop", http.StatusFound)
	case "/hop":
		http.Redirect(w, r, "/code?c=204", http.StatusFound)
	case "/hop-bad":
		http.Redirect(w, r, "/code?c=500", http.StatusFound)
	case "/away":
		http.Redirect(w, r, "http://192.0.2.1/", http.StatusFound)
	case "/big":
		io.WriteString(w, strings.Repeat("x", 3*OutputLimit))
	case "/slow":
		<-r.Context().Done()
	default:
		fmt.Fprintf(w, "host=%s ua=%s accept=%q enc=%q", r.Host, r.UserAgent(), r.Header["Accept"], r.Header["Accept-Encoding"])
	}
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	for _, tls := range []bool{false, true} {
		s := httptest.NewUnstartedServer(http.HandlerFunc(testServer))
		scheme := corev1.URISchemeHTTP
		if tls {
			s.StartTLS()
			scheme = corev1.URISchemeHTTPS
		} else {
			s.Start()
		}
		host, port := hostPort(t, s.URL)
		for _, c := range []struct {
			path    string
			want    Outcome
			warning bool
		}{
			{"/code?c=200", Success, false},
			{"/code?c=399", Success, true},
			{"/code?c=400", Failure, false},
			{"/code?c=503", Failure, false},
			{"/loop", Failure, false},
			{"/hop", Success, false},
			{"/hop-bad", Failure, false},
			{"/away", Success, true},
			{"/big", Success, false},
			{"/slow", Failure, false},
			{"", Success, false},
			{"//other/", Success, false},
		} {
			p := httpGet(c.path, port)
			p.HTTPGet.Scheme = scheme
			r := Attempt(t.Context(), p, Target{PodIP: host})
			if r.Outcome != c.want || r.Warning != c.warning {
				t.Errorf("%s %s: %+v, want outcome %d warning %v", scheme, c.path, r, c.want, c.warning)
			}
			if len(r.Message) > OutputLimit+100 {
				t.Errorf("%s: %d octets kept", c.path, len(r.Message))
			}
		}
		s.Close()
	}
}

func TestHTTPHeaders(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(testServer))
	defer s.Close()
	host, port := hostPort(t, s.URL)
	hostport := net.JoinHostPort(host, fmt.Sprint(port))
	for _, c := range []struct {
		headers []corev1.HTTPHeader
		want    string
	}{
		{nil, "host=" + hostport + ` ua=kube-probe/1.37 accept=["*/*"] enc=[]`},
		{
			[]corev1.HTTPHeader{{Name: "host", Value: "shop.test"}, {Name: "accept", Value: ""}, {Name: "User-Agent", Value: "mine"}},
			`host=shop.test ua=mine accept=[] enc=[]`,
		},
		{[]corev1.HTTPHeader{{Name: "Accept", Value: "text/plain"}}, "host=" + hostport + ` ua=kube-probe/1.37 accept=["text/plain"] enc=[]`},
	} {
		p := httpGet("/", port)
		p.HTTPGet.HTTPHeaders = c.headers
		if d := cmp.Diff(c.want, Attempt(t.Context(), p, Target{PodIP: host}).Message); d != "" {
			t.Error(d)
		}
	}
}

func TestTCPAndPorts(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := int32(l.Addr().(*net.TCPAddr).Port)
	target := Target{PodIP: "127.0.0.1", Ports: map[string]int32{"web": port}}
	tcp := func(p intstr.IntOrString) Result {
		return Attempt(t.Context(), &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: p}}}, target)
	}
	for _, c := range []struct {
		port intstr.IntOrString
		want Outcome
	}{{intstr.FromInt32(port), Success}, {intstr.FromString("web"), Success}, {intstr.FromString("nope"), Unknown}, {intstr.FromInt32(0), Unknown}} {
		if r := tcp(c.port); r.Outcome != c.want {
			t.Errorf("port %v: %+v", c.port, r)
		}
	}
	l.Close()
	if r := tcp(intstr.FromInt32(port)); r.Outcome != Failure {
		t.Errorf("closed port: %+v", r)
	}
	if r := Attempt(t.Context(), &corev1.Probe{}, target); r.Outcome != Unknown {
		t.Errorf("no handler: %+v", r)
	}
}

func TestExec(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"check"}}}}
		for name, c := range map[string]struct {
			exec func(context.Context, []string, int) (int, []byte, error)
			want Outcome
		}{
			"zero":     {func(context.Context, []string, int) (int, []byte, error) { return 0, nil, nil }, Success},
			"non-zero": {func(context.Context, []string, int) (int, []byte, error) { return 1, []byte("bad"), nil }, Failure},
			"error":    {func(context.Context, []string, int) (int, []byte, error) { return 0, nil, errors.New("gone") }, Unknown},
			"timeout": {func(ctx context.Context, _ []string, _ int) (int, []byte, error) {
				<-ctx.Done()
				return 0, nil, ctx.Err()
			}, Failure},
		} {
			if r := Attempt(t.Context(), p, Target{Exec: c.exec}); r.Outcome != c.want {
				t.Errorf("%s: %+v", name, r)
			}
		}
	})
}

// healthServer is a minimal gRPC health service: the asked name chooses the
// answer.
func healthServer(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	name := ""
	if len(body) > 7 {
		name = string(body[7:])
	}
	w.Header().Set("Content-Type", "application/grpc")
	status := map[string]uint64{"": 1, "good": 1, "bad": 2, "odd": 9}
	n, known := status[name]
	if r.URL.Path != "/grpc.health.v1.Health/Check" || !known {
		w.Header().Set("Grpc-Status", "12")
		return
	}
	w.Header().Set("Trailer", "Grpc-Status")
	w.Write(append([]byte{0, 0, 0, 0, 2, 8}, byte(n)))
	w.Header().Set("Grpc-Status", "0")
}

func TestGRPC(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(healthServer))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	defer s.Close()
	plain := httptest.NewServer(http.HandlerFunc(testServer))
	defer plain.Close()
	host, port := hostPort(t, s.URL)
	_, other := hostPort(t, plain.URL)
	for _, c := range []struct {
		service string
		port    int32
		want    Outcome
	}{{"", port, Success}, {"good", port, Success}, {"bad", port, Failure}, {"odd", port, Failure}, {"unknown", port, Failure}, {"", other, Failure}} {
		p := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: c.port, Service: &c.service}}}
		if r := Attempt(t.Context(), p, Target{PodIP: host}); r.Outcome != c.want {
			t.Errorf("service %q: %+v, want %d", c.service, r, c.want)
		}
	}
}

func FuzzHealthStatus(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 2, 8, 1})
	f.Add([]byte{0, 0, 0, 0, 5, 0x12, 3, 'a', 'b', 'c'})
	f.Fuzz(func(t *testing.T, frame []byte) {
		status, err := healthStatus(frame)
		if err != nil && status != 0 {
			t.Errorf("status %d beside error %v", status, err)
		}
		if len(frame) >= 5 && int(binary.BigEndian.Uint32(frame[1:5])) > len(frame)-5 && err == nil {
			t.Error("a message that is cut short was accepted")
		}
	})
}

// script runs a worker over exec outcomes, one a second, and returns when
// verdicts came: "2s:false".
func script(t *testing.T, p *corev1.Probe, codes string) (verdicts []string, events int) {
	t.Helper()
	start, n := time.Now(), 0
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p.Exec = &corev1.ExecAction{Command: []string{"check"}}
	w := Worker{
		Probe: p, Started: start,
		Target: Target{Exec: func(context.Context, []string, int) (int, []byte, error) {
			if n >= len(codes) {
				cancel()
				return 0, nil, ctx.Err()
			}
			c := codes[n]
			n++
			if c == '?' {
				return 0, nil, errors.New("cannot run")
			}
			return int(c - '0'), nil, nil
		}},
		Verdict: func(ok bool, _ Result) { verdicts = append(verdicts, fmt.Sprintf("%s:%v", time.Since(start), ok)) },
		Event:   func(Result) { events++ },
	}
	w.Run(ctx)
	return verdicts, events
}

func TestWorkerThresholds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		probe  corev1.Probe
		codes  string
		want   []string
		events int
	}{
		"first success at once":            {corev1.Probe{PeriodSeconds: 1}, "0000", []string{"0s:true"}, 0},
		"three failures, then recovery":    {corev1.Probe{PeriodSeconds: 1}, "0110111100", []string{"0s:true", "6s:false", "8s:true"}, 6},
		"delay counts from the start":      {corev1.Probe{PeriodSeconds: 2, InitialDelaySeconds: 5, FailureThreshold: 1}, "10", []string{"5s:false", "7s:true"}, 1},
		"success threshold":                {corev1.Probe{PeriodSeconds: 1, SuccessThreshold: 2}, "01001", []string{"3s:true"}, 2},
		"default period":                   {corev1.Probe{FailureThreshold: 2}, "11", []string{"10s:false"}, 2},
		"unknown is retried in place":      {corev1.Probe{PeriodSeconds: 1, FailureThreshold: 2}, "1??1", []string{"1s:false"}, 2},
		"unknown three times is no result": {corev1.Probe{PeriodSeconds: 1, FailureThreshold: 2}, "1???1", []string{"2s:false"}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				got, events := script(t, &c.probe, c.codes)
				if d := cmp.Diff(c.want, got); d != "" {
					t.Error(d)
				}
				if events != c.events {
					t.Errorf("%d events, want %d", events, c.events)
				}
			})
		})
	}
}
