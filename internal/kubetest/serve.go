package kubetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/types"
)

// request is one request, taken apart.
type request struct {
	verb, resource, subresource string
	path                        string // of the object
	namespace, name             string
	query                       url.Values
	body                        map[string]any
	operations                  []operation // of a JSON patch
}

// status is an answer that is no object.
type status struct {
	code    int
	reason  string
	message string
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	req := parse(r)
	key := req.verb + " " + req.resource
	if req.subresource != "" {
		key += "/" + req.subresource
	}
	s.mu.Lock()
	s.requests[key]++
	down, forbidden, cut := s.down, s.forbidden[key], s.cut
	s.mu.Unlock()
	switch {
	case down:
		panic(http.ErrAbortHandler)
	case r.URL.Path == "/version":
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"gitVersion": "v1.34.1"})
		return
	case forbidden:
		fail(w, status{http.StatusForbidden, "Forbidden", req.resource + " is forbidden: cannot " + req.verb})
		return
	case req.verb == "watch":
		s.watch(w, r, req, cut)
		return
	}
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		switch {
		case err != nil || len(b) == 0:
		case r.Header.Get("Content-Type") == string(types.JSONPatchType):
			err = json.Unmarshal(b, &req.operations)
		default:
			req.body, err = s.decode(b)
		}
		if err != nil {
			fail(w, status{http.StatusBadRequest, "BadRequest", err.Error()})
			return
		}
	}
	s.mu.Lock()
	answer, wrong := s.handle(req)
	s.mu.Unlock()
	if wrong != nil {
		fail(w, *wrong)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if req.verb == "create" {
		w.WriteHeader(http.StatusCreated)
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// parse takes the path of a request apart.
func parse(r *http.Request) request {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	base := 2 // api/v1
	if parts[0] == "apis" {
		base = 3
	}
	req := request{query: r.URL.Query()}
	rest := parts[min(base, len(parts)):]
	if len(rest) > 2 && rest[0] == "namespaces" {
		req.namespace, rest = rest[1], rest[2:]
	}
	at := func(i int) string {
		if i < len(rest) {
			return rest[i]
		}
		return ""
	}
	req.resource, req.name, req.subresource = at(0), at(1), at(2)
	req.path = strings.TrimSuffix(strings.Trim(r.URL.Path, "/"), "/"+req.subresource)
	switch {
	case r.Method == http.MethodGet && req.name == "" && req.query.Get("watch") != "":
		req.verb = "watch"
	case r.Method == http.MethodGet && req.name == "":
		req.verb = "list"
	default:
		req.verb = map[string]string{"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}[r.Method]
	}
	return req
}

// decode reads a body in JSON or protobuf.
func (s *Server) decode(b []byte) (map[string]any, error) {
	if !bytes.HasPrefix(b, []byte("k8s\x00")) {
		fields := map[string]any{}
		return fields, json.Unmarshal(b, &fields)
	}
	o, _, err := protobuf.NewSerializer(s.scheme, s.scheme).Decode(b, nil, nil)
	if err != nil {
		return nil, err
	}
	return s.fieldsOf(o)
}

// handle answers everything but watches. The lock is held.
func (s *Server) handle(r request) (any, *status) {
	old := s.objects[r.path]
	if r.verb != "list" && r.verb != "create" && old == nil {
		return nil, &status{http.StatusNotFound, "NotFound", r.resource + " " + r.name + " not found"}
	}
	switch r.verb {
	case "get":
		return old.fields, nil
	case "list":
		return s.list(r), nil
	case "create":
		if strings.HasSuffix(r.resource, "subjectaccessreviews") {
			return s.review(r.body), nil
		}
		name, _ := meta(r.body)["name"].(string)
		path := r.path + "/" + name
		if s.objects[path] != nil {
			return nil, &status{http.StatusConflict, "AlreadyExists", name + " already exists"}
		}
		s.store(path, &object{r.resource, r.namespace, name, r.body})
		return r.body, nil
	case "update":
		return s.update(r, old)
	case "patch":
		next := clone(old.fields)
		if err := patch(next, r.operations); err != nil {
			return nil, &status{http.StatusUnprocessableEntity, "Invalid", err.Error()}
		}
		if r.subresource != "" {
			r.body = map[string]any{r.subresource: r.body[r.subresource]}
		}
		merge(next, r.body)
		s.store(r.path, &object{old.resource, old.namespace, old.name, next})
		return next, nil
	case "delete":
		s.remove(r.path)
		return map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Success"}, nil
	}
	return nil, &status{http.StatusMethodNotAllowed, "MethodNotAllowed", r.verb}
}

// review answers whether somebody may do something: whatever Forbid does not
// refuse, whoever asks.
func (s *Server) review(body map[string]any) any {
	spec, _ := body["spec"].(map[string]any)
	what, _ := spec["resourceAttributes"].(map[string]any)
	key := fmt.Sprint(what["verb"], " ", what["resource"])
	if sub, _ := what["subresource"].(string); sub != "" {
		key += "/" + sub
	}
	answer := maps.Clone(body)
	answer["status"] = map[string]any{"allowed": !s.forbidden[key]}
	return answer
}

func (s *Server) update(r request, old *object) (any, *status) {
	if s.conflicts[r.resource] > 0 { // another client was faster
		s.conflicts[r.resource]--
		s.store(r.path, &object{old.resource, old.namespace, old.name, clone(old.fields)})
		old = s.objects[r.path]
	}
	version, _ := meta(r.body)["resourceVersion"].(string)
	if version != "" && version != meta(old.fields)["resourceVersion"] {
		return nil, &status{http.StatusConflict, "Conflict", "the object has been modified"}
	}
	next := r.body
	if r.subresource != "" {
		next = clone(old.fields)
		next[r.subresource] = r.body[r.subresource]
	}
	s.store(r.path, &object{old.resource, old.namespace, old.name, next})
	return next, nil
}

// operation is one of a JSON patch (RFC 6902).
type operation struct {
	Op, Path string
	Value    any
}

// patch applies the operations "test" and "add" to members of objects.
func patch(into map[string]any, operations []operation) error {
	for _, o := range operations {
		var at any = into
		parts := strings.Split(strings.TrimPrefix(o.Path, "/"), "/")
		for _, part := range parts[:len(parts)-1] {
			switch v := at.(type) {
			case map[string]any:
				at = v[part]
			case []any:
				i, err := strconv.Atoi(part)
				if err != nil || i < 0 || i >= len(v) {
					return fmt.Errorf("%s: no such element", o.Path)
				}
				at = v[i]
			}
		}
		object, ok := at.(map[string]any)
		last := parts[len(parts)-1]
		switch {
		case !ok:
			return fmt.Errorf("%s: not there", o.Path)
		case o.Op == "test" && fmt.Sprint(object[last]) != fmt.Sprint(o.Value):
			return fmt.Errorf("%s: the test fails", o.Path)
		case o.Op == "add":
			object[last] = o.Value
		}
	}
	return nil
}

// merge is a JSON merge patch (RFC 7396).
func merge(into, patch map[string]any) {
	for key, value := range patch {
		switch v := value.(type) {
		case nil:
			delete(into, key)
		case map[string]any:
			below, ok := into[key].(map[string]any)
			if !ok {
				below = map[string]any{}
				into[key] = below
			}
			merge(below, v)
		default:
			into[key] = value
		}
	}
}

func (s *Server) list(r request) any {
	items := []any{}
	var paths []string
	for path, o := range s.objects {
		if matches(r, o) {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	version, kind := "v1", ""
	for _, path := range paths {
		fields := s.objects[path].fields
		version, kind = fmt.Sprint(fields["apiVersion"]), fmt.Sprint(fields["kind"])
		items = append(items, fields)
	}
	if kind == "" {
		kind = map[string]string{
			"ingresses": "Ingress", "ingressclasses": "IngressClass", "services": "Service", "endpointslices": "EndpointSlice",
			"secrets": "Secret", "configmaps": "ConfigMap", "namespaces": "Namespace", "pods": "Pod", "nodes": "Node",
			"leases": "Lease",
		}[r.resource]
		if group := strings.Split(r.path, "/"); group[0] == "apis" {
			version = group[1] + "/" + group[2]
		}
	}
	return map[string]any{
		"apiVersion": version, "kind": kind + "List", "metadata": map[string]any{"resourceVersion": strconv.Itoa(s.revision)}, "items": items,
	}
}

// matches reports whether an object is in the selection of a list or watch.
func matches(r request, o *object) bool {
	if o.resource != r.resource || r.namespace != "" && o.namespace != r.namespace {
		return false
	}
	set := labels.Set{}
	if m, ok := meta(o.fields)["labels"].(map[string]any); ok {
		for key, value := range m {
			set[key] = fmt.Sprint(value)
		}
	}
	selector, err := labels.Parse(r.query.Get("labelSelector"))
	if err != nil || !selector.Matches(set) {
		return false
	}
	for term := range strings.SplitSeq(r.query.Get("fieldSelector"), ",") {
		field, want, _ := strings.Cut(term, "=")
		field, not := strings.CutSuffix(field, "!")
		have := o.name
		if field == "type" {
			have, _ = o.fields["type"].(string)
		}
		if field != "" && (have == want) == not {
			return false
		}
	}
	return true
}

// watch streams changes until the client goes or there is an outage.
func (s *Server) watch(w http.ResponseWriter, r *http.Request, req request, cut <-chan struct{}) {
	if req.query.Get("sendInitialEvents") != "" { // as servers before 1.32
		fail(w, status{http.StatusUnprocessableEntity, "Invalid", "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"})
		return
	}
	from, _ := strconv.Atoi(req.query.Get("resourceVersion"))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	flush := w.(http.Flusher)
	flush.Flush()
	out := json.NewEncoder(w)
	for {
		s.mu.Lock()
		if from < s.oldest {
			s.mu.Unlock()
			_ = out.Encode(map[string]any{"type": "ERROR", "object": statusObject(status{http.StatusGone, "Expired", "too old resource version"})})
			return
		}
		var pending []change
		for _, c := range s.log {
			was, is := c.before != nil && matches(req, c.before), matches(req, c.object)
			switch {
			case c.revision <= from, !was && !is:
				continue
			case was && !is:
				c.kind = "DELETED" // out of the selection
			case is && !was:
				c.kind = "ADDED"
			}
			pending = append(pending, c)
		}
		from = max(from, s.revision)
		changed := s.changed
		s.mu.Unlock()
		for _, c := range pending {
			if err := out.Encode(map[string]any{"type": c.kind, "object": c.object.fields}); err != nil {
				return
			}
		}
		flush.Flush()
		select {
		case <-r.Context().Done():
			return
		case <-cut:
			panic(http.ErrAbortHandler)
		case <-changed:
		}
	}
}

func statusObject(s status) map[string]any {
	return map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": s.code, "reason": s.reason, "message": s.message}
}

func fail(w http.ResponseWriter, s status) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(s.code)
	_ = json.NewEncoder(w).Encode(statusObject(s))
}
