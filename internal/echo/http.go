package echo

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// httpEcho is the HTTP mode.
type httpEcho struct {
	env      environment
	identity identity
	port     string // HTTP_PORT
	retries  retries
	stopping <-chan struct{} // closed when connections that never end have to
	sockets  sync.WaitGroup  // WebSockets, which http.Server forgets about

	started            time.Time
	readyFrom, readyTo time.Duration // since started; readyTo 0: for ever
	switched           atomic.Int32  // by a POST: switchedOff, switchedOn, or 0

	standIn http.HandlerFunc // of ECHO_STANDS_IN_FOR; may be nil
}

// answer is the echo of a request. The conformance clients read these names.
type answer struct {
	Path     string              `json:"path"`
	Host     string              `json:"host"`
	Method   string              `json:"method"`
	Proto    string              `json:"proto"`
	Headers  map[string][]string `json:"headers"`
	HTTPPort string              `json:"httpPort"`
	identity
	// RemoteAddr is who the connection comes from: "address:port".
	RemoteAddr string `json:"remoteAddr"`
	// BodyBytes is how many octets the request body has.
	BodyBytes int64      `json:"bodyBytes,omitempty"`
	TLS       *tlsAnswer `json:"tls,omitempty"`
}

type tlsAnswer struct {
	Version            string   `json:"version"`
	PeerCertificates   []string `json:"peerCertificates,omitempty"`
	ServerName         string   `json:"serverName"`
	NegotiatedProtocol string   `json:"negotiatedProtocol,omitempty"`
	CipherSuite        string   `json:"cipherSuite"`
}

func newHTTPEcho(ctx context.Context, env environment) (*httpEcho, error) {
	e := &httpEcho{
		env: env, identity: env.identity(), stopping: ctx.Done(), started: env.now(),
		retries: retries{failures: map[string]int{}},
	}
	var err error
	if e.port, err = env.port("HTTP_PORT", "3000"); err != nil {
		return nil, err
	}
	if e.standIn, err = env.standIn(); err != nil {
		return nil, err
	}
	if e.readyFrom, err = env.duration("ECHO_READY_AFTER"); err != nil {
		return nil, err
	}
	readyFor, err := env.duration("ECHO_READY_FOR")
	if err != nil {
		return nil, err
	}
	if readyFor > 0 {
		e.readyTo = e.readyFrom + readyFor
	}
	return e, nil
}

// httpListener is one socket with what serves it.
type httpListener struct {
	listener net.Listener
	server   *http.Server
	secure   bool // not server.TLSConfig, which http.Server sets as it likes
	arriving *arriving
}

// runHTTP opens all listeners of the HTTP mode, then serves.
func runHTTP(ctx context.Context, env environment) error {
	ctx, stop := context.WithCancel(ctx) // also when a listener fails
	defer stop()
	e, err := newHTTPEcho(ctx, env)
	if err != nil {
		return err
	}
	upgraded := newUpgradeListener()
	all, err := e.listeners(upgraded)
	if err != nil {
		for _, l := range all {
			_ = l.listener.Close()
		}
		return err
	}
	defer e.sockets.Wait()
	return serveHTTP(ctx, stop, all)
}

// listeners opens the sockets. What is open already is returned with an error.
func (e *httpEcho) listeners(upgraded *upgradeListener) ([]httpListener, error) {
	h2cPort, err := e.env.port("H2C_PORT", "3001")
	if err != nil {
		return nil, err
	}
	httpsPort, err := e.env.port("HTTPS_PORT", "8443")
	if err != nil {
		return nil, err
	}
	plain, err := e.env.listen(e.port, "http")
	if err != nil {
		return nil, err
	}
	server, waiting := newServer(http.HandlerFunc(e.route))
	all := []httpListener{{listener: plain, server: server, arriving: waiting}}
	h2c, err := e.env.listen(h2cPort, "h2c")
	if err != nil {
		return all, err
	}
	h2cServer, waiting := newServer(e.h2cHandler(upgraded))
	h2cServer.Protocols = new(http.Protocols)
	h2cServer.Protocols.SetHTTP1(true)
	h2cServer.Protocols.SetUnencryptedHTTP2(true)
	upgraded.address = h2c.Addr()
	all = append(all, httpListener{listener: h2c, server: h2cServer, arriving: waiting}, httpListener{listener: upgraded, server: h2cServer, arriving: waiting})
	config, err := e.tlsConfig()
	if err != nil || config == nil {
		return all, err
	}
	secure, err := e.env.listen(httpsPort, "https")
	if err != nil {
		return all, err
	}
	server, waiting = newServer(http.HandlerFunc(e.route))
	server.TLSConfig = config
	return append(all, httpListener{listener: secure, server: server, secure: true, arriving: waiting}), nil
}

func newServer(handler http.Handler) (*http.Server, *arriving) {
	a := &arriving{conns: map[net.Conn]bool{}, none: make(chan struct{}, 1)}
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 30 * time.Second,
		// Handshake noise of port scanners and health checks is of no interest.
		ErrorLog:  log.New(io.Discard, "", 0),
		ConnState: a.state,
	}, a
}

// arriving are the connections of a server that may have a request on its way.
// Shutdown closes those whose request it has not read yet.
type arriving struct {
	none chan struct{} // capacity 1: the last one has gone

	mu    sync.Mutex
	conns map[net.Conn]bool
}

// arrivalTime is how long a stopping server waits for requests on connections
// that it has taken.
const arrivalTime = time.Second

func (a *arriving) state(c net.Conn, s http.ConnState) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s == http.StateNew || s == http.StateActive {
		a.conns[c] = true
		return
	}
	delete(a.conns, c)
	if len(a.conns) == 0 {
		a.tell()
	}
}

func (a *arriving) tell() {
	select {
	case a.none <- struct{}{}:
	default:
	}
}

// wait returns when no request is on its way, or after arrivalTime.
func (a *arriving) wait(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, arrivalTime)
	defer cancel()
	for {
		a.mu.Lock()
		n := len(a.conns)
		a.mu.Unlock()
		if n == 0 {
			a.tell() // whoever waits, too: two listeners may share a server
			return
		}
		select {
		case <-a.none:
		case <-ctx.Done():
			return
		}
	}
}

func (e *httpEcho) tlsConfig() (*tls.Config, error) {
	config, err := e.env.certificate("TLS_SERVER_PRIVKEY")
	if err != nil || config == nil {
		return nil, err
	}
	file := e.env.getenv("TLS_CLIENT_CACERTS")
	if file == "" {
		return config, nil
	}
	bundle, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("TLS_CLIENT_CACERTS: %w", err)
	}
	config.ClientCAs = x509.NewCertPool()
	if !config.ClientCAs.AppendCertsFromPEM(bundle) {
		return nil, fmt.Errorf("TLS_CLIENT_CACERTS: %s holds no certificate in PEM", file)
	}
	config.ClientAuth = tls.VerifyClientCertIfGiven
	return config, nil
}

// serveHTTP serves until ctx ends, which stop does when one listener fails.
func serveHTTP(ctx context.Context, stop func(), all []httpListener) error {
	failed := make(chan error, len(all))
	var serving sync.WaitGroup
	for _, l := range all {
		serving.Go(func() {
			var err error
			if l.secure {
				err = l.server.ServeTLS(l.listener, "", "")
			} else {
				err = l.server.Serve(l.listener)
			}
			if !errors.Is(err, http.ErrServerClosed) && ctx.Err() == nil {
				failed <- err
			}
			stop()
		})
	}
	<-ctx.Done()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), graceTime)
	defer cancel()
	var closing sync.WaitGroup
	for _, l := range all {
		closing.Go(func() {
			_ = l.listener.Close() // the only error is that it is closed
			l.server.SetKeepAlivesEnabled(false)
			l.arriving.wait(grace)
			if l.server.Shutdown(grace) != nil {
				_ = l.server.Close()
			}
		})
	}
	closing.Wait()
	serving.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// route answers a request on the plain and the TLS port.
func (e *httpEcho) route(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	switch {
	case path == "/health":
		_, _ = io.WriteString(w, "OK")
	case path == "/ready":
		e.ready(w, r)
	case strings.HasPrefix(path, "/status/"):
		status(w, r)
	case strings.HasPrefix(path, "/retry/"):
		e.retry(w, r)
	case path == "/ws":
		e.webSocket(w, r)
	case e.standIn != nil:
		e.standIn(w, r)
	default:
		e.echo(w, r)
	}
}

const (
	switchedOn  = 1
	switchedOff = -1
)

// ready answers a probe. A POST with ready=false or ready=true decides from
// then on what probes are told.
func (e *httpEcho) ready(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		switch ready, err := strconv.ParseBool(r.FormValue("ready")); {
		case err != nil:
			http.Error(w, "want ready=true or ready=false", http.StatusBadRequest)
			return
		case ready:
			e.switched.Store(switchedOn)
		default:
			e.switched.Store(switchedOff)
		}
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if !e.isReady() {
		http.Error(w, "not ready", http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(w, "OK")
}

func (e *httpEcho) isReady() bool {
	switch e.switched.Load() {
	case switchedOn:
		return true
	case switchedOff:
		return false
	}
	age := e.env.now().Sub(e.started)
	return age >= e.readyFrom && (e.readyTo == 0 || age < e.readyTo)
}

// status answers with the status in the request target, which has to be
// exactly /status/NNN.
func status(w http.ResponseWriter, r *http.Request) {
	digits, _ := strings.CutPrefix(r.RequestURI, "/status/")
	code, err := strconv.Atoi(digits)
	if err != nil || len(digits) != 3 || code < 100 {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.WriteHeader(code)
}

// echo answers with a description of the request.
func (e *httpEcho) echo(w http.ResponseWriter, r *http.Request) {
	e.env.log.printf("Echoing back request made to %s to client (%s)", r.RequestURI, r.RemoteAddr)
	if text := r.FormValue("delay"); text != "" {
		delay, err := time.ParseDuration(text)
		if err != nil {
			fail(w, err)
			return
		}
		if !wait(r.Context(), delay) {
			return
		}
	}
	// An answer before the end of a long body would cut it off.
	length, _ := io.Copy(io.Discard, r.Body)
	a := answer{
		Path: r.RequestURI, Host: r.Host, Method: r.Method, Proto: r.Proto, Headers: r.Header,
		HTTPPort: e.port, identity: e.identity, RemoteAddr: r.RemoteAddr, BodyBytes: length, TLS: tlsAnswerFrom(r.TLS),
	}
	body, err := json.MarshalIndent(a, "", " ")
	if err != nil {
		fail(w, err)
		return
	}
	setWantedHeaders(w.Header(), r.Header.Values("X-Echo-Set-Header"))
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(body)
}

// fail answers 500 with the reason.
func fail(w http.ResponseWriter, reason error) {
	body, err := json.Marshal(map[string]string{"message": reason.Error()})
	if err != nil { // a map of strings can be marshalled
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = w.Write(body)
}

// wait reports whether the duration passed before ctx ended.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// setWantedHeaders puts the pairs of X-Echo-Set-Header on the response. Names
// keep their letters, so the map is written directly.
func setWantedHeaders(h http.Header, wanted []string) {
	for _, list := range wanted {
		for pair := range strings.SplitSeq(list, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(pair), ":")
			if name == "" || strings.EqualFold(name, "Content-Type") {
				continue
			}
			if before, ok := h[name]; ok {
				value = before[0] + "," + strings.TrimSpace(value)
			}
			h[name] = []string{value}
		}
	}
}

// tlsVersions are the names the clients expect.
var tlsVersions = map[uint16]string{
	tls.VersionTLS10: "TLSv1.0", tls.VersionTLS11: "TLSv1.1", tls.VersionTLS12: "TLSv1.2", tls.VersionTLS13: "TLSv1.3",
}

func tlsAnswerFrom(state *tls.ConnectionState) *tlsAnswer {
	if state == nil {
		return nil
	}
	a := &tlsAnswer{
		Version: tlsVersions[state.Version], ServerName: state.ServerName,
		NegotiatedProtocol: state.NegotiatedProtocol, CipherSuite: tls.CipherSuiteName(state.CipherSuite),
	}
	for _, c := range state.PeerCertificates {
		block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
		a.PeerCertificates = append(a.PeerCertificates, string(block))
	}
	return a
}
