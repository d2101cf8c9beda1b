// Package echo is the built-in image daemun/echo: a server that tells what it
// received and who it is, for demonstrations and tests. It understands what
// the clients of the Gateway API conformance suite expect of echo-basic.
//
// It turns requests into descriptions of themselves. It runs as its own
// process (a container's program) and knows nothing of the rest of Daemun.
//
// The environment decides:
//
//	GRPC_ECHO_SERVER, TCP_ECHO_SERVER, not empty: that mode; none: HTTP
//	UDP_ECHO_SERVER
//	NAMESPACE, POD_NAME,               identity, shown in every answer
//	INGRESS_NAME, SERVICE_NAME
//	BIND_ADDRESS, else POD_IP          listen address; neither: all addresses
//	HTTP_PORT (3000), H2C_PORT (3001), ports; 0 is any free port. Each listener
//	HTTPS_PORT (8443), TCP_PORT (3000), writes one line "Starting server,
//	TLS_PORT (8443), UDP_PORT (8080)   listening on ADDRESS (KIND)"
//	TLS_SERVER_CERT                    certificate file for HTTPS_PORT or TLS_PORT
//	TLS_SERVER_PRIVKEY                 its key file in HTTP mode
//	TLS_SERVER_PRIV_KEY                its key file in TCP mode
//	TLS_CLIENT_CACERTS                 HTTP mode: file with the authorities whose
//	                                   client certificates are verified when sent
//
// The HTTP mode serves /health, /status/NNN, /retry/, /ws and echoes everything
// else. Two variables of Daemun's own let readiness be watched on the path
// /ready, which otherwise answers 200: with ECHO_READY_AFTER (a duration such
// as 5s) it answers 503 for that long after the start, and with ECHO_READY_FOR
// it answers 503 again after it was ready for that long. POST /ready with
// ready=false or ready=true in the query decides it by hand. Every mode tells
// in remoteAddr who it was asked by.
//
// The gRPC mode answers Echo and EchoTwo on HTTP_PORT, in HTTP/2 without TLS;
// it has neither reflection nor TLS.
//
// With ECHO_STANDS_IN_FOR the HTTP mode plays a program that examples need:
// oauth2-proxy (signs everybody in) or error-pages (answers with the status in
// X-Code). It is no more than a stand-in.
//
// Goroutines: all are Run's and have ended when it returns.
package echo

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Run serves in the mode that the environment chooses until ctx ends; then it
// accepts no more, finishes what is in flight (ten seconds at most) and
// returns nil. The caller ties ctx to SIGTERM. getenv is os.Getenv outside
// tests; log lines go to out, one Write each.
func Run(ctx context.Context, getenv func(string) string, out io.Writer) error {
	return run(ctx, getenv, out, time.Now)
}

func run(ctx context.Context, getenv func(string) string, out io.Writer, now func() time.Time) error {
	env := environment{getenv: getenv, log: &lineLog{out: out}, now: now}
	switch {
	case getenv("GRPC_ECHO_SERVER") != "":
		return runGRPC(ctx, env)
	case getenv("TCP_ECHO_SERVER") != "":
		return runTCP(ctx, env)
	case getenv("UDP_ECHO_SERVER") != "":
		return runUDP(ctx, env)
	default:
		return runHTTP(ctx, env)
	}
}

// graceTime is how long requests in flight may take after the end of ctx.
const graceTime = 10 * time.Second

// environment is what all modes are started with.
type environment struct {
	getenv func(string) string
	log    *lineLog
	now    func() time.Time
}

// port returns the value of a port variable, or its default.
func (e environment) port(name, otherwise string) (string, error) {
	value := e.getenv(name)
	// A Service named "http" gives every container of its namespace
	// HTTP_PORT=tcp://10.0.0.1:80, which nobody meant for this program.
	if value == "" || strings.HasPrefix(value, "tcp://") || strings.HasPrefix(value, "udp://") || strings.HasPrefix(value, "sctp://") {
		return otherwise, nil
	}
	if _, err := strconv.ParseUint(value, 10, 16); err != nil {
		return "", fmt.Errorf("%s is %q; want a port number, 0 to 65535", name, value)
	}
	return value, nil
}

// address joins the listen address of all modes with a port.
func (e environment) address(port string) string {
	host := e.getenv("BIND_ADDRESS")
	if host == "" {
		host = e.getenv("POD_IP")
	}
	return net.JoinHostPort(host, port)
}

// listen opens a TCP listener and says so.
func (e environment) listen(port, what string) (net.Listener, error) {
	l, err := net.Listen("tcp", e.address(port))
	if err != nil {
		return nil, err
	}
	e.log.printf("Starting server, listening on %s (%s)", l.Addr(), what)
	return l, nil
}

// certificate loads the server's key pair; nil if not both files are named.
func (e environment) certificate(keyVariable string) (*tls.Config, error) {
	cert, key := e.getenv("TLS_SERVER_CERT"), e.getenv(keyVariable)
	if cert == "" || key == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("TLS_SERVER_CERT and %s: %w", keyVariable, err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}

// duration returns the value of a duration variable, or zero.
func (e environment) duration(name string) (time.Duration, error) {
	value := e.getenv(name)
	if value == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(value)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%s is %q; want a duration such as 5s", name, value)
	}
	return d, nil
}

// identity says who answers. The order is that of the answers' fields.
type identity struct {
	Namespace string `json:"namespace"`
	Ingress   string `json:"ingress"`
	Service   string `json:"service"`
	Pod       string `json:"pod"`
}

func (e environment) identity() identity {
	return identity{
		Namespace: e.getenv("NAMESPACE"), Ingress: e.getenv("INGRESS_NAME"),
		Service: e.getenv("SERVICE_NAME"), Pod: e.getenv("POD_NAME"),
	}
}

// lineLog writes whole lines, unbuffered: clients of the mirror tests read the
// log at once.
type lineLog struct {
	mu  sync.Mutex
	out io.Writer
}

func (l *lineLog) printf(format string, args ...any) {
	line := fmt.Appendf(nil, format+"\n", args...)
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.out.Write(line) // a log that nobody reads must not end the server
}
