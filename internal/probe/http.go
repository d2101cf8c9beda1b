package probe

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// userAgent is the kubelet's form: programs recognise probes by it.
const userAgent = "kube-probe/1.37"

// httpAttempt is one GET without proxy, keep-alive, compression or certificate
// check (services §8.2).
func httpAttempt(ctx context.Context, a *corev1.HTTPGetAction, t Target) Result {
	port, err := t.port(a.Port)
	if err != nil {
		return unknown("%v", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://probe/", nil)
	if err != nil {
		return unknown("%v", err)
	}
	req.URL = probeURL(a, net.JoinHostPort(cmp.Or(a.Host, t.PodIP), port))
	req.Host = req.URL.Host
	setHeaders(req, a.HTTPHeaders)

	transport := &http.Transport{
		DisableKeepAlives: true, DisableCompression: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // a probe asks whether it answers, not who it is
		DialContext:     func(ctx context.Context, _, address string) (net.Conn, error) { return dial(ctx, address) },
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: checkRedirect}
	res, err := client.Do(req)
	if err != nil {
		return failure("%v", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, OutputLimit))
	if err != nil {
		return failure("read the body: %v", err)
	}
	return judge(res, body)
}

func judge(res *http.Response, body []byte) Result {
	if res.StatusCode < 200 || res.StatusCode >= 400 {
		return failure("HTTP probe failed with statuscode: %d", res.StatusCode)
	}
	if res.StatusCode >= 300 {
		return Result{Outcome: Success, Warning: true, Message: "Probe terminated redirects, Response body: " + string(body)}
	}
	return success(string(body))
}

func checkRedirect(req *http.Request, via []*http.Request) error {
	if req.URL.Hostname() != via[0].URL.Hostname() {
		return http.ErrUseLastResponse
	}
	if len(via) >= 10 {
		return errors.New("stopped after 10 redirects")
	}
	return nil
}

// probeURL keeps a query string in the path and never lets the path choose
// another host.
func probeURL(a *corev1.HTTPGetAction, hostport string) *url.URL {
	u, err := url.Parse(a.Path)
	if err != nil {
		u = &url.URL{Path: a.Path}
	}
	u.Scheme, u.Host, u.User, u.Opaque = strings.ToLower(cmp.Or(string(a.Scheme), "http")), hostport, nil, ""
	if !strings.HasPrefix(u.Path, "/") {
		u.Path = "/" + u.Path
	}
	return u
}

func setHeaders(req *http.Request, headers []corev1.HTTPHeader) {
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Accept", "*/*")
	seen := map[string]bool{}
	for _, h := range headers {
		if strings.EqualFold(h.Name, "Host") {
			req.Host = h.Value
			continue
		}
		name := http.CanonicalHeaderKey(h.Name)
		if !seen[name] {
			req.Header.Del(name)
		}
		seen[name] = true
		req.Header.Add(name, h.Value)
	}
	if v, ok := req.Header["Accept"]; ok && len(v) == 1 && v[0] == "" {
		req.Header.Del("Accept")
	}
}
