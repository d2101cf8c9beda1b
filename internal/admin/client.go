package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
)

// DefaultAddress is where "up" serves and the other commands ask.
const DefaultAddress = "127.0.0.1:10254"

// Client talks to the admin address of a running Daemun.
type Client struct {
	// Address is "host:port", or the URL that a browser shows.
	Address string
}

// Get fetches a path with a query and decodes the JSON answer into v.
func (c Client) Get(ctx context.Context, path string, query url.Values, v any) error {
	body, err := c.Open(ctx, path, query)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(v); err != nil {
		return fmt.Errorf("read %s from %s: %w", path, c.Address, err)
	}
	return nil
}

// Open fetches a path and returns the body of a 200; the caller closes it. Any
// other status is an error with the server's sentence.
func (c Client) Open(ctx context.Context, path string, query url.Values) (io.ReadCloser, error) {
	host, err := c.host()
	if err != nil {
		return nil, err
	}
	u := url.URL{Scheme: "http", Host: host, Path: path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("--admin-address %q: %w", c.Address, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("no Daemun answers at %s: start one with \"daemun up\", or name its address with --admin-address", host)
	}
	if err != nil {
		if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
			err = wrapped.Err // its URL is none that the user wrote
		}
		return nil, fmt.Errorf("ask Daemun at %s: %w", host, err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		return nil, refusal(host, resp, strings.TrimSpace(string(text)))
	}
	return resp.Body, nil
}

// host is the address without what a URL has around it, as "up" prints it and
// browsers show it.
func (c Client) host() (string, error) {
	host := strings.TrimSuffix(strings.TrimPrefix(c.Address, "http://"), "/")
	if _, port, err := net.SplitHostPort(host); err != nil || port == "" {
		return "", fmt.Errorf("--admin-address %q: want HOST:PORT, such as %s", c.Address, DefaultAddress)
	}
	return host, nil
}

// refusal is the sentence of an admin address. Whoever answers with a page
// instead is another server, most often the one for Ingresses.
func refusal(host string, resp *http.Response, text string) error {
	if kind := resp.Header.Get("Content-Type"); strings.HasPrefix(kind, "text/html") || strings.HasPrefix(text, "<") {
		return fmt.Errorf("what answers at %s (status %d) is not the admin address of a Daemun: name that with --admin-address", host, resp.StatusCode)
	}
	return errors.New(cmp.Or(text, fmt.Sprintf("%s answers with status %d and no text", host, resp.StatusCode)))
}
