// Command reverseproxy is the standard library's proxy with an access log, as
// the yardstick of what Go offers without own code.
package main

import (
	"bufio"
	"fmt"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"
	"time"
)

// Arguments: backend URL, plain address, TLS address, certificate, key.
func main() {
	target, err := url.Parse(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.SetXForwarded()
			r.Out.Host = r.In.Host
		},
		Transport: &http.Transport{MaxIdleConnsPerHost: 320, DisableCompression: true},
	}
	h := &logged{next: proxy, out: bufio.NewWriterSize(os.Stdout, 64<<10)}
	go func() { log.Fatal(http.ListenAndServe(os.Args[2], h)) }()
	log.Fatal(http.ListenAndServeTLS(os.Args[3], os.Args[4], os.Args[5], h))
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
