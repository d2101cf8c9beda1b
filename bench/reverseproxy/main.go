// Command reverseproxy is the standard library's proxy with an access log, as
// the yardstick of what Go offers without own code.
package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"
	"time"
)

// Arguments: backend URL, the same for gRPC, plain address, TLS address, then
// pairs of a certificate and its key.
func main() {
	h := http.NewServeMux()
	h.Handle("/", forward(os.Args[1], &http.Transport{MaxIdleConnsPerHost: 320, DisableCompression: true}))
	var clear http.Protocols
	clear.SetUnencryptedHTTP2(true)
	h.Handle("/bench.Bench/", forward(os.Args[2], &http.Transport{Protocols: &clear, DisableCompression: true}))
	l := &logged{next: h, out: bufio.NewWriterSize(os.Stdout, 64<<10)}
	config := &tls.Config{NextProtos: []string{"h2", "http/1.1"}}
	for i := 5; i+1 < len(os.Args); i += 2 {
		pair, err := tls.LoadX509KeyPair(os.Args[i], os.Args[i+1])
		if err != nil {
			log.Fatal(err)
		}
		config.Certificates = append(config.Certificates, pair)
	}
	go func() { log.Fatal(http.ListenAndServe(os.Args[3], l)) }()
	server := &http.Server{Addr: os.Args[4], Handler: l, TLSConfig: config}
	log.Fatal(server.ListenAndServeTLS("", ""))
}

func forward(to string, transport *http.Transport) http.Handler {
	target, err := url.Parse(to)
	if err != nil {
		log.Fatal(err)
	}
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.SetXForwarded()
			r.Out.Host = r.In.Host
		},
		Transport: transport,
	}
}

// logged writes one line per request.
type logged struct {
	next http.Handler
	mu   sync.Mutex
	out  *bufio.Writer
}

func (l *logged) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	l.next.ServeHTTP(w, r)
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.out, "%s - - [%s] \"%s %s %s\" %q %q %.3f\n", r.RemoteAddr, start.Format("02/Jan/2006:15:04:05 -0700"),
		r.Method, r.RequestURI, r.Proto, r.Referer(), r.UserAgent(), time.Since(start).Seconds())
}
