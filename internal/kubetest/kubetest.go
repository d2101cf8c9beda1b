// Package kubetest is an API server in memory that keeps the rules of a real
// one as far as Daemun can tell: resource versions, conflicts, watches that
// expire, permissions, outages.
//
//	api := kubetest.New(t)
//	api.Put(t, &networkingv1.Ingress{…})
//	c, err := kube.Connect(kube.Access{Host: api.URL})
//
// It turns HTTP requests into objects and back, in JSON and, for bodies, the
// protobuf that client-go sends. It is imported by tests only; its goroutines
// end with the test.
package kubetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Server is the API server. Its methods are safe for concurrent use.
type Server struct {
	// URL is where it answers.
	URL string

	scheme *runtime.Scheme
	http   *httptest.Server

	mu       sync.Mutex
	revision int
	// oldest is the first revision of the log that is still known.
	oldest    int
	objects   map[string]*object // by path
	log       []change
	changed   chan struct{} // closed with the next change
	down      bool
	cut       chan struct{} // closed at an outage
	forbidden map[string]bool
	conflicts map[string]int
	requests  map[string]int
}

// object is what is stored under a path.
type object struct {
	resource, namespace, name string
	fields                    map[string]any
}

type change struct {
	revision int
	kind     string // ADDED, MODIFIED, DELETED
	object   *object
	before   *object // what it was, or nil
}

// New starts a server that ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{
		scheme: runtime.NewScheme(), revision: 100, objects: map[string]*object{}, changed: make(chan struct{}), cut: make(chan struct{}),
		forbidden: map[string]bool{}, conflicts: map[string]int{}, requests: map[string]int{},
	}
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, networkingv1.AddToScheme, discoveryv1.AddToScheme, coordinationv1.AddToScheme, admissionregistrationv1.AddToScheme} {
		if err := add(s.scheme); err != nil {
			t.Fatal(err)
		}
	}
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	s.URL = s.http.URL
	t.Cleanup(func() {
		s.Outage()
		s.http.Close()
	})
	return s
}

// Outage cuts all connections and answers nothing until Recover.
func (s *Server) Outage() {
	s.mu.Lock()
	s.down = true
	close(s.cut)
	s.cut = make(chan struct{})
	s.mu.Unlock()
	s.http.CloseClientConnections()
}

// Recover ends an outage.
func (s *Server) Recover() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = false
}

// Compact forgets all changes so far: watches that would begin before are told
// that they have expired.
func (s *Server) Compact() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log, s.oldest = nil, s.revision
}

// Forbid refuses a verb ("list", "watch", "get", "create", "update", "patch")
// on a resource ("secrets", "ingresses/status").
func (s *Server) Forbid(verb, resource string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forbidden[verb+" "+resource] = true
}

// Allow takes Forbid back.
func (s *Server) Allow(verb, resource string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.forbidden, verb+" "+resource)
}

// Conflict makes the next n updates of a resource meet a change by another.
func (s *Server) Conflict(resource string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conflicts[resource] = n
}

// Requests counts the requests of a verb on a resource so far.
func (s *Server) Requests(verb, resource string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[verb+" "+resource]
}

// Object is any Kubernetes object.
type Object interface {
	metav1.Object
	runtime.Object
}

// Put creates or replaces objects, status included, as other clients do.
func (s *Server) Put(t testing.TB, objects ...Object) {
	t.Helper()
	for _, o := range objects {
		fields, err := s.fieldsOf(o)
		if err != nil {
			t.Fatal(err)
		}
		s.mu.Lock()
		path, resource := pathOf(fields)
		if old := s.objects[path]; old != nil {
			meta(fields)["uid"] = meta(old.fields)["uid"]
		}
		s.store(path, &object{resource: resource, namespace: o.GetNamespace(), name: o.GetName(), fields: fields})
		s.mu.Unlock()
	}
}

// Delete removes objects; what is not there is no error.
func (s *Server) Delete(t testing.TB, objects ...Object) {
	t.Helper()
	for _, o := range objects {
		fields, err := s.fieldsOf(o)
		if err != nil {
			t.Fatal(err)
		}
		s.mu.Lock()
		path, _ := pathOf(fields)
		s.remove(path)
		s.mu.Unlock()
	}
}

// Get reads an object into o, which names it, and reports whether it is there.
func (s *Server) Get(t testing.TB, o Object) bool {
	t.Helper()
	fields, err := s.fieldsOf(o)
	if err != nil {
		t.Fatal(err)
	}
	path, _ := pathOf(fields)
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.objects[path]
	if found == nil {
		return false
	}
	b, err := json.Marshal(found.fields)
	if err == nil {
		err = json.Unmarshal(b, o)
	}
	if err != nil {
		t.Fatal(err)
	}
	return true
}

// Count counts the objects of a resource.
func (s *Server) Count(resource string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, o := range s.objects {
		if o.resource == resource {
			n++
		}
	}
	return n
}

// fieldsOf returns an object as JSON fields, with its kind.
func (s *Server) fieldsOf(o runtime.Object) (map[string]any, error) {
	kinds, _, err := s.scheme.ObjectKinds(o)
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	fields := map[string]any{}
	if err := json.Unmarshal(b, &fields); err != nil {
		return nil, err
	}
	fields["apiVersion"], fields["kind"] = kinds[0].GroupVersion().String(), kinds[0].Kind
	return fields, nil
}

func meta(fields map[string]any) map[string]any {
	m, ok := fields["metadata"].(map[string]any)
	if !ok {
		m = map[string]any{}
		fields["metadata"] = m
	}
	return m
}

// pathOf is where an object is: "apis/group/version/namespaces/ns/resource/name".
func pathOf(fields map[string]any) (path, resource string) {
	kind := strings.ToLower(fmt.Sprint(fields["kind"]))
	resource = kind + "s"
	if strings.HasSuffix(kind, "ss") {
		resource = kind + "es"
	}
	path = "apis/"
	if !strings.Contains(fmt.Sprint(fields["apiVersion"]), "/") {
		path = "api/"
	}
	path += fmt.Sprint(fields["apiVersion"]) + "/"
	m := meta(fields)
	if ns, _ := m["namespace"].(string); ns != "" {
		path += "namespaces/" + ns + "/"
	}
	name, _ := m["name"].(string)
	return path + resource + "/" + name, resource
}

// store writes an object and notes the change. The lock is held.
func (s *Server) store(path string, o *object) {
	kind := "MODIFIED"
	if s.objects[path] == nil {
		kind = "ADDED"
		m := meta(o.fields)
		if m["uid"] == nil || m["uid"] == "" {
			m["uid"] = "uid-" + strconv.Itoa(s.revision)
		}
	}
	s.revision++
	meta(o.fields)["resourceVersion"] = strconv.Itoa(s.revision)
	before := s.objects[path]
	s.objects[path] = o
	s.note(kind, o, before)
}

func (s *Server) remove(path string) {
	o := s.objects[path]
	if o == nil {
		return
	}
	delete(s.objects, path)
	s.revision++
	gone := &object{resource: o.resource, namespace: o.namespace, name: o.name, fields: clone(o.fields)}
	meta(gone.fields)["resourceVersion"] = strconv.Itoa(s.revision)
	s.note("DELETED", gone, o)
}

func (s *Server) note(kind string, o, before *object) {
	s.log = append(s.log, change{s.revision, kind, o, before})
	close(s.changed)
	s.changed = make(chan struct{})
}

// clone copies JSON fields.
func clone(fields map[string]any) map[string]any {
	b, err := json.Marshal(fields)
	if err != nil {
		panic(err) // it came from JSON
	}
	out := map[string]any{}
	if err := json.Unmarshal(b, &out); err != nil {
		panic(err)
	}
	return out
}

// Texts returns a field of all objects of a resource.
func (s *Server) Texts(resource, field string) (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.objects {
		if o.resource == resource {
			list = append(list, fmt.Sprint(o.fields[field]))
		}
	}
	return list
}
