package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
)

// Client talks to the admin address of a running Daemun.
type Client struct {
	// Address is "host:port".
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
	u := url.URL{Scheme: "http", Host: c.Address, Path: path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("no Daemun answers at %s: start one with \"daemun up\", or name its address with --admin-address", c.Address)
	}
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		return nil, errors.New(strings.TrimSpace(string(text)))
	}
	return resp.Body, nil
}
