package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"sigs.k8s.io/yaml"
)

// Object is a Kubernetes object as decoded JSON.
type Object map[string]any

// At returns what stands at a path of field names, or nil.
func (o Object) At(path ...string) any {
	var v any = map[string]any(o)
	for _, p := range path {
		m, _ := v.(map[string]any)
		v = m[p]
	}
	return v
}

// String is At for text; "" if there is none.
func (o Object) String(path ...string) string {
	s, _ := o.At(path...).(string)
	return s
}

// Name returns NAMESPACE/NAME, or the name of an object of the cluster.
func (o Object) Name() string {
	return strings.TrimPrefix(o.String("metadata", "namespace")+"/"+o.String("metadata", "name"), "/")
}

// Kind returns KIND NAMESPACE/NAME for messages.
func (o Object) Kind() string { return o.String("kind") + " " + o.Name() }

// Parse decodes the documents of a YAML text; empty ones are left out.
func Parse(text string) ([]Object, error) {
	var objects []Object
	for i, doc := range strings.Split("\n"+text, "\n---") {
		var o Object
		if err := yaml.UnmarshalStrict([]byte(doc), &o); err != nil {
			return nil, fmt.Errorf("document %d: %w", i+1, err)
		}
		if len(o) > 0 {
			objects = append(objects, o)
		}
	}
	return objects, nil
}

// StatusError is an answer of the API server that is not a success.
type StatusError struct {
	Code            int
	Reason, Message string
}

func (e *StatusError) Error() string { return fmt.Sprintf("%d %s: %s", e.Code, e.Reason, e.Message) }

// Client speaks JSON with an API server. It is safe for concurrent use.
type Client struct {
	url  string
	http *http.Client

	mu    sync.Mutex
	kinds map[string]resource // by apiVersion and kind
}

// resource is how a kind is spelled in URLs.
type resource struct {
	plural     string
	namespaced bool
}

func newClient(url string, h *http.Client) *Client {
	return &Client{url: url, http: h, kinds: map[string]resource{}}
}

// Do sends one request. body may be nil, text ([]byte), or a value for JSON;
// into may be nil.
func (c *Client) Do(ctx context.Context, method, path, contentType string, body, into any) error {
	_, err := c.do(ctx, method, path, contentType, body, into)
	return err
}

// do is Do that also returns what the API server warns of.
func (c *Client) do(ctx context.Context, method, path, contentType string, body, into any) ([]string, error) {
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		reader = bytes.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return nil, err
		}
		reader = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, reader)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= 300 {
		e := StatusError{Message: string(text)}
		json.Unmarshal(text, &e) // else the text is the message
		e.Code = response.StatusCode
		return nil, &e
	}
	warnings := response.Header.Values("Warning")
	if into == nil {
		return warnings, nil
	}
	return warnings, json.Unmarshal(text, into)
}

// Path returns the URL path of an object, or of all of them if name is "".
// Discovery tells how a kind is spelled.
func (c *Client) Path(ctx context.Context, apiVersion, kind, namespace, name string) (string, error) {
	base := "/apis/" + apiVersion
	if !strings.Contains(apiVersion, "/") {
		base = "/api/" + apiVersion
	}
	r, err := c.resource(ctx, base, apiVersion, kind)
	if err != nil {
		return "", err
	}
	if r.namespaced && namespace != "" {
		base += "/namespaces/" + namespace
	}
	base += "/" + r.plural
	if name != "" {
		base += "/" + name
	}
	return base, nil
}

func (c *Client) resource(ctx context.Context, base, apiVersion, kind string) (resource, error) {
	key := apiVersion + " " + kind
	c.mu.Lock()
	r, ok := c.kinds[key]
	c.mu.Unlock()
	if ok {
		return r, nil
	}
	var list struct {
		Resources []struct {
			Name, Kind string
			Namespaced bool
		}
	}
	if err := c.Do(ctx, http.MethodGet, base, "", nil, &list); err != nil {
		return r, fmt.Errorf("discover %s: %w", apiVersion, err)
	}
	for _, found := range list.Resources {
		if found.Kind == kind && !strings.Contains(found.Name, "/") {
			r = resource{found.Name, found.Namespaced}
			c.mu.Lock()
			c.kinds[key] = r
			c.mu.Unlock()
			return r, nil
		}
	}
	return r, fmt.Errorf("the API server knows no kind %s in %s", kind, apiVersion)
}

// Get returns an object.
func (c *Client) Get(ctx context.Context, apiVersion, kind, namespace, name string) (Object, error) {
	path, err := c.Path(ctx, apiVersion, kind, namespace, name)
	if err != nil {
		return nil, err
	}
	var o Object
	err = c.Do(ctx, http.MethodGet, path, "", nil, &o)
	return o, err
}

// List returns the objects of a namespace, or of all with "", that match a
// query such as labelSelector=app%3Dweb.
func (c *Client) List(ctx context.Context, apiVersion, kind, namespace, query string) ([]Object, error) {
	path, err := c.Path(ctx, apiVersion, kind, namespace, "")
	if err != nil {
		return nil, err
	}
	var list struct{ Items []Object }
	err = c.Do(ctx, http.MethodGet, path+"?"+query, "", nil, &list)
	return list.Items, err
}

// ApplyOption is a further parameter of Apply's request.
type ApplyOption string

// DryRun has the API server do everything but store the object: defaulting,
// validation, admission.
const DryRun ApplyOption = "dryRun=All"

// Apply creates or changes an object as `kubectl apply --server-side
// --force-conflicts --validate=strict` does, and returns what is stored. What
// the API server warns of is an error: nothing of ours should make it warn.
func (c *Client) Apply(ctx context.Context, o Object, options ...ApplyOption) (Object, error) {
	path, err := c.Path(ctx, o.String("apiVersion"), o.String("kind"), o.String("metadata", "namespace"), o.String("metadata", "name"))
	if err != nil {
		return nil, err
	}
	query := url.Values{"fieldManager": {"lab"}, "force": {"true"}, "fieldValidation": {"Strict"}}.Encode()
	for _, option := range options {
		query += "&" + string(option)
	}
	var stored Object
	warnings, err := c.do(ctx, http.MethodPatch, path+"?"+query, "application/apply-patch+yaml", map[string]any(o), &stored)
	if err == nil && len(warnings) > 0 {
		err = fmt.Errorf("the API server warns: %s", strings.Join(warnings, "; "))
	}
	return stored, err
}

// Create creates an object, as with POST.
func (c *Client) Create(ctx context.Context, o Object) (Object, error) {
	path, err := c.Path(ctx, o.String("apiVersion"), o.String("kind"), o.String("metadata", "namespace"), "")
	if err != nil {
		return nil, err
	}
	var stored Object
	err = c.Do(ctx, http.MethodPost, path+"?fieldValidation=Strict", "application/json", map[string]any(o), &stored)
	return stored, err
}

// Patch merges a change into an object, or into a subresource such as
// NAME/status. change is a value for JSON or its text.
func (c *Client) Patch(ctx context.Context, apiVersion, kind, namespace, name string, change any) error {
	path, err := c.Path(ctx, apiVersion, kind, namespace, name)
	if err != nil {
		return err
	}
	return c.Do(ctx, http.MethodPatch, path, "application/merge-patch+json", change, nil)
}

// Delete deletes an object; grace is in seconds, or negative for its default.
func (c *Client) Delete(ctx context.Context, apiVersion, kind, namespace, name string, grace int) error {
	path, err := c.Path(ctx, apiVersion, kind, namespace, name)
	if err != nil {
		return err
	}
	if grace >= 0 {
		path += fmt.Sprintf("?gracePeriodSeconds=%d", grace)
	}
	return c.Do(ctx, http.MethodDelete, path, "", nil, nil)
}
