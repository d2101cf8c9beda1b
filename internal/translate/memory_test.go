package translate

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"daemun/internal/ir"
	"daemun/internal/store"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
)

const prefix = "nginx.ingress.kubernetes.io/"

// web makes an Ingress of our class with the given host and paths.
func web(name, host string, annotations map[string]string, paths ...string) *networkingv1.Ingress {
	in := &networkingv1.Ingress{}
	in.Namespace, in.Name = "default", name
	in.Annotations = map[string]string{classAnnotation: "nginx"}
	for k, v := range annotations {
		in.Annotations[prefix+k] = v
	}
	rule := networkingv1.IngressRule{Host: host}
	rule.HTTP = &networkingv1.HTTPIngressRuleValue{}
	kind := networkingv1.PathTypePrefix
	for _, p := range paths {
		rule.HTTP.Paths = append(rule.HTTP.Paths, networkingv1.HTTPIngressPath{Path: p, PathType: &kind, Backend: networkingv1.IngressBackend{
			Service: &networkingv1.IngressServiceBackend{Name: "web", Port: networkingv1.ServiceBackendPort{Number: 80}},
		}})
	}
	in.Spec.Rules = []networkingv1.IngressRule{rule}
	return in
}

func service(name string, port int32) *corev1.Service {
	s := &corev1.Service{}
	s.Namespace, s.Name = "default", name
	s.Spec.Ports = []corev1.ServicePort{{Name: "http", Port: port}}
	return s
}

func asJSON(t interface{ Fatal(...any) }, r Result) string {
	b, err := json.MarshalIndent(struct{ Config, Problems, Accepted, Other any }{r.Config, r.Problems, r.Accepted, r.OtherClass}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRejectedVersionKeepsTheLastGoodOne(t *testing.T) {
	t.Parallel()
	s := store.New()
	tr := New(DefaultOptions())
	put := func(o ...store.Object) Result {
		s.Update(func(tx *store.Tx) {
			for _, o := range o {
				tx.Put(o)
			}
		})
		return tr.Translate(s.View())
	}
	hasPath := func(r Result, path string) bool {
		for _, h := range r.Config.Hosts {
			for _, route := range h.Routes {
				if route.Path == path {
					return true
				}
			}
		}
		return false
	}
	bad := map[string]string{"permanent-redirect": "$scheme"}
	if r := put(service("web", 80), withUID(web("web", "a.test", bad, "/new"), "1")); hasPath(r, "/new") || len(r.Config.Hosts) != 1 || len(r.Accepted) != 1 || len(r.Served) != 0 {
		t.Error("a new rejected Ingress is loaded")
	}
	put(withUID(web("web", "a.test", nil, "/good"), "1"))
	r := put(withUID(web("web", "a.test", bad, "/worse"), "1"))
	if !hasPath(r, "/good") || hasPath(r, "/worse") || len(r.Served) != 1 {
		t.Errorf("the last good version is not in service: %s", asJSON(t, r))
	}
	if len(r.Problems) != 2 || r.Problems[0].Code != CodeKept {
		t.Errorf("problems %v", r.Problems)
	}
	// A change of a Service compiles again and must not forget.
	if r = put(service("web", 80)); !hasPath(r, "/good") {
		t.Error("the last good version is forgotten")
	}
	if r = put(withUID(web("web", "a.test", bad, "/other"), "2")); hasPath(r, "/good") {
		t.Error("another Ingress of the same name inherits the last good version")
	}
	put(withUID(web("web", "a.test", nil, "/good"), "2"))
	if r = put(withUID(web("web", "a.test", map[string]string{"canary": "true"}, "/good"), "2")); hasPath(r, "/good") {
		t.Error("an Ingress that became a canary still serves")
	}
}

// TestRiskKeepsTheLastGoodVersion: an annotation of more risk than is allowed
// keeps a version from being loaded, and a level that is lowered holds for what
// is in service.
func TestRiskKeepsTheLastGoodVersion(t *testing.T) {
	t.Parallel()
	s := store.New()
	o := DefaultOptions()
	o.ConfigMap = "ingress/settings"
	tr := New(o)
	settings := func(data map[string]string) *corev1.ConfigMap {
		m := &corev1.ConfigMap{Data: data}
		m.Namespace, m.Name = "ingress", "settings"
		return m
	}
	serves := func(o ...store.Object) string {
		s.Update(func(tx *store.Tx) {
			for _, o := range o {
				tx.Put(o)
			}
		})
		paths := ""
		for _, h := range tr.Translate(s.View()).Config.Hosts {
			for _, route := range h.Routes {
				if !route.Implicit {
					paths += route.Path
				}
			}
		}
		return paths
	}
	risky := map[string]string{"configuration-snippet": "return 403;"}
	medium := map[string]string{"rewrite-target": "/x"}
	for i, step := range []struct {
		object store.Object
		want   string
	}{
		{settings(map[string]string{"annotation-value-word-blocklist": "evil"}), ""},
		{service("web", 80), ""},
		{withUID(web("web", "a.test", risky, "/new"), "1"), ""},
		{withUID(web("web", "a.test", medium, "/good"), "1"), "/good"},
		{withUID(web("web", "a.test", risky, "/worse"), "1"), "/good"},
		{withUID(web("web", "a.test", map[string]string{"rewrite-target": "/evil"}, "/evil"), "1"), "/good"},
		{service("web", 80), "/good"},
		{settings(map[string]string{"annotations-risk-level": "Low"}), ""},
	} {
		if got := serves(step.object); got != step.want {
			t.Errorf("step %d: %q is served, want %q", i, got, step.want)
		}
	}
}

// TestBadRealmWithAnUnusableSecret: the Secret is read first, and closes the
// routes.
func TestBadRealmWithAnUnusableSecret(t *testing.T) {
	t.Parallel()
	s := store.New()
	tr := New(DefaultOptions())
	state := func(o ...store.Object) string {
		s.Update(func(tx *store.Tx) {
			for _, o := range o {
				tx.Put(o)
			}
		})
		for _, h := range tr.Translate(s.View()).Config.Hosts {
			for _, route := range h.Routes {
				if route.Path == "/x" {
					return fmt.Sprint(route.Denied)
				}
			}
		}
		return "none"
	}
	bad := map[string]string{"auth-type": "basic", "auth-secret": "users", "auth-realm": "a;b"}
	secret := func(key string) *corev1.Secret {
		c := &corev1.Secret{Data: map[string][]byte{key: []byte("a:{PLAIN}b\n")}}
		c.Namespace, c.Name = "default", "users"
		return c
	}
	if got := state(service("web", 80), withUID(web("web", "a.test", bad, "/x"), "1")); got != "503" {
		t.Errorf("without the Secret: %s", got)
	}
	if got := state(secret("other")); got != "503" {
		t.Errorf("with an unusable Secret: %s", got)
	}
	if got := state(secret("auth")); got != "none" {
		t.Errorf("with a usable Secret: %s", got)
	}
}

func TestBrokenSecretKeepsTheLastGoodPair(t *testing.T) {
	t.Parallel()
	s := store.New()
	tr := New(DefaultOptions())
	in := web("web", "a.test", nil, "/")
	in.Spec.TLS = []networkingv1.IngressTLS{{Hosts: []string{"a.test"}, SecretName: "c"}}
	secret := func(how string) *corev1.Secret {
		c := &corev1.Secret{Data: pair(t, "a.test", how)}
		c.Namespace, c.Name = "default", "c"
		return c
	}
	translate := func(o ...store.Object) Result {
		s.Update(func(tx *store.Tx) {
			for _, o := range o {
				tx.Put(o)
			}
		})
		return tr.Translate(s.View())
	}
	first := translate(service("web", 80), in, secret(""))
	good := first.Config.Certificates[0]
	r := translate(secret("key"))
	if len(r.Config.Certificates) != 1 || r.Config.Certificates[0] != good {
		t.Errorf("certificates %v", r.Config.Certificates)
	}
	if len(r.Problems) != 1 || r.Problems[0].Code != CodeKeyPair {
		t.Errorf("problems %v", r.Problems)
	}
	next := translate(secret(""))
	if next.Config.Certificates[0] == good || len(next.Problems) != 0 {
		t.Error("a good pair does not replace the kept one")
	}
	s.Update(func(tx *store.Tx) { tx.Delete(store.Key{Kind: "Secret", Namespace: "default", Name: "c"}) })
	if r := tr.Translate(s.View()); len(r.Config.Certificates) != 0 {
		t.Error("a deleted Secret is still served")
	}
}

func TestUnconcernedHostsKeepTheirPointer(t *testing.T) {
	t.Parallel()
	s := store.New()
	tr := New(DefaultOptions())
	s.Update(func(tx *store.Tx) {
		tx.Put(service("web", 80))
		for i := range 20 {
			tx.Put(web(fmt.Sprint("w", i), fmt.Sprintf("h%d.test", i), nil, "/"))
		}
	})
	before := tr.Translate(s.View()).Config
	s.Update(func(tx *store.Tx) { tx.Put(web("w7", "h7.test", map[string]string{"proxy-body-size": "2m"}, "/")) })
	after := tr.Translate(s.View()).Config
	for i, h := range after.Hosts {
		if same, want := h == before.Hosts[i], h.Name != "h7.test"; same != want {
			t.Errorf("host %q kept: %v, want %v", h.Name, same, want)
		}
	}
	if &before.Backends[0] != &after.Backends[0] {
		t.Error("the list of backends is made anew without need")
	}
}

// TestOrderOfObjectsDoesNotMatter translates the same objects put into the
// store in many orders.
func TestOrderOfObjectsDoesNotMatter(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	var objects []store.Object
	for i := range 60 {
		in := randomIngress(rnd.IntN, i)
		objects = append(objects, in)
	}
	objects = append(objects, service("web", 80), service("api", 81))
	want := asJSON(t, New(DefaultOptions()).Translate(viewOf(objects)))
	for range 20 {
		rnd.Shuffle(len(objects), func(i, j int) { objects[i], objects[j] = objects[j], objects[i] })
		if d := cmp.Diff(want, asJSON(t, New(DefaultOptions()).Translate(viewOf(objects)))); d != "" {
			t.Fatalf("-first +shuffled:\n%s", d)
		}
	}
}

// randomIngress draws from few names, so that Ingresses meet on hosts, paths,
// aliases and www names.
func randomIngress(n func(int) int, id int) *networkingv1.Ingress {
	pick := func(list ...string) string { return list[n(len(list))] }
	annotations := map[string]string{}
	for range n(3) {
		switch n(16) {
		case 0:
			annotations["use-regex"] = pick("true", "maybe")
		case 1:
			annotations["rewrite-target"] = pick("/a", "/$1", "/")
		case 2:
			annotations["from-to-www-redirect"] = "true"
		case 3:
			annotations["server-alias"] = pick("a.test", "d.test", "e.test,d.test")
		case 4:
			annotations["app-root"] = pick("/r", "/s")
		case 5:
			annotations["auth-url"] = "http://auth.test"
		case 6:
			annotations["default-backend"] = pick("api", "web", "gone")
		case 7:
			annotations["canary"] = pick("true", "false")
		case 8:
			annotations["custom-headers"] = pick("default/fields", "other/fields", "fields")
		case 9:
			annotations["backend-protocol"], annotations["fastcgi-params-configmap"] = "FCGI", "default/fields"
		case 10:
			annotations["auth-url"], annotations["auth-proxy-set-headers"] = pick("http://auth.test", "http://api.default", "http://web.default.svc"), "default/fields"
		case 11:
			annotations["auth-type"], annotations["auth-secret"], annotations["auth-secret-type"] = pick("basic", "digest"), pick("gone", "default/users"), pick("auth-file", "auth-map")
		case 12:
			annotations["auth-tls-secret"], annotations["auth-tls-verify-client"] = pick("default/users", "default/gone"), pick("on", "optional")
		case 13:
			annotations["backend-protocol"], annotations["proxy-ssl-secret"] = "HTTPS", pick("default/users", "default/gone")
		case 14:
			annotations["mirror-target"] = pick("http://api.default", "http://api.default.svc.cluster.local/x", "https://copy.test")
		case 15:
			annotations[pick("server-snippet", "configuration-snippet")] = pick("more_set_headers \"X-One: 1\";", "return 404;", "location /in { return 404; }", "return")
		}
	}
	var paths []string
	for range n(4) {
		paths = append(paths, pick("/", "/a", "/a/", "/b(.*)", "/(?!x)", "bad"))
	}
	in := web(fmt.Sprint("w", id), pick("a.test", "www.a.test", "b.test", "*.test", "x.b.test", ""), annotations, paths...)
	for i := range in.Spec.Rules[0].HTTP.Paths {
		in.Spec.Rules[0].HTTP.Paths[i].Backend.Service.Name = pick("web", "api")
	}
	if n(3) == 0 {
		in.Spec.TLS = []networkingv1.IngressTLS{{Hosts: []string{pick("a.test", "b.test")}, SecretName: pick("", "gone")}}
	}
	if n(4) == 0 {
		in.Spec.DefaultBackend = &networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
			Name: "api", Port: networkingv1.ServiceBackendPort{Name: "http"},
		}}
	}
	if n(8) == 0 && in.Spec.DefaultBackend != nil {
		in.Spec.Rules = nil
	}
	if n(10) == 0 {
		in.Annotations[classAnnotation] = "other"
	}
	if id > 5 {
		in.Namespace = "guest"
	}
	in.CreationTimestamp = metav1.Unix(int64(n(5)), 0)
	return in
}

// randomSettings is the ConfigMap of --configmap.
func randomSettings(n func(int) int) *corev1.ConfigMap {
	c := &corev1.ConfigMap{Data: map[string]string{"global-allowed-response-headers": "X-One"}}
	c.Namespace, c.Name = "default", "settings"
	for _, row := range [][3]string{ // in an order, so that draws can be repeated
		{"add-headers", "default/fields", "default/none"},
		{"proxy-set-headers", "default/fields", ""},
		{"allow-snippet-annotations", "true", "false"},
		{"annotations-risk-level", "Critical", "High"},
		{"server-snippet", "more_set_headers \"X-All: 1\";", "rubbish"},
		{"allow-cross-namespace-resources", "true", "false"},
		{"proxy-body-size", "2m", "rubbish"},
		{"namespace-max-routes", "3", "0"},
		{"namespace-max-hosts", "2", "rubbish"},
		{"namespace-risk-levels", "guest=Low", "*=Medium"},
	} {
		if i := n(3); i > 0 {
			c.Data[row[0]] = row[i]
		}
	}
	return c
}

// TestMemoryEqualsFresh edits objects at random; a translator with memory must
// say the same as one without.
func TestMemoryEqualsFresh(t *testing.T) {
	t.Parallel()
	certificate := pair(t, "a.test", "")
	rapid.Check(t, func(rt *rapid.T) {
		n := func(k int) int { return rapid.IntRange(0, k-1).Draw(rt, "n") }
		s := store.New()
		o := DefaultOptions()
		o.AllowedResponseHeaders, o.ConfigMap = []string{"X-One"}, "default/settings"
		o.StrictHosts = n(2) == 0
		tr, edits := New(o), 0
		for range 12 {
			s.Update(func(tx *store.Tx) {
				for range 1 + n(4) {
					switch id := n(8); n(16) {
					case 0:
						tx.Delete(store.Key{Kind: "Ingress", Namespace: "default", Name: fmt.Sprint("w", id)})
					case 1:
						tx.Put(service([]string{"web", "api"}[n(2)], int32(80+n(2))))
					case 2:
						tx.Delete(store.Key{Kind: "Service", Namespace: "default", Name: "api"})
					case 3:
						c := &networkingv1.IngressClass{}
						c.Name, c.Spec.Controller = "other", []string{"k8s.io/ingress-nginx", "x"}[n(2)]
						tx.Put(c)
					case 4:
						c := &corev1.ConfigMap{Data: map[string]string{[]string{"X-One", "X Two"}[n(2)]: "1"}}
						c.Namespace, c.Name = "default", "fields"
						tx.Put(c)
					case 5:
						tx.Delete(store.Key{Kind: "ConfigMap", Namespace: "default", Name: "fields"})
					case 6:
						c := &corev1.Secret{Data: certificate}
						c.Namespace, c.Name = "default", "gone"
						tx.Put(c)
					case 7:
						tx.Delete(store.Key{Kind: "Secret", Namespace: "default", Name: "gone"})
					case 8:
						c := &corev1.Secret{Data: map[string][]byte{"auth": []byte([]string{"a:{PLAIN}b", "rubbish"}[n(2)])}}
						if n(2) == 0 {
							c.Data["ca.crt"], c.Data["tls.crt"], c.Data["tls.key"] = certificate["tls.crt"], certificate["tls.crt"], certificate["tls.key"]
						}
						c.Namespace, c.Name = "default", "users"
						tx.Put(c)
					case 9:
						tx.Delete(store.Key{Kind: "Secret", Namespace: "default", Name: "users"})
					case 10:
						tx.Put(randomSettings(n))
					default:
						// Each is another one: the last good version of one is memory.
						edits++
						tx.Put(withUID(randomIngress(n, id), fmt.Sprint(edits)))
					}
				}
			})
			v := s.View()
			tr.unfinished = n(3) == 0 // as after a panic: everything is looked at
			r := tr.Translate(v)
			if !slices.IsSortedFunc(r.Problems, ir.Problem.Compare) {
				rt.Fatal("problems are not sorted")
			}
			got, want := asJSON(rt, r), asJSON(rt, New(o).Translate(v))
			if got != want {
				rt.Fatalf("-fresh +memory:\n%s", cmp.Diff(want, got))
			}
		}
	})
}

func bigStore(n int) *store.Store {
	s := store.New()
	s.Update(func(tx *store.Tx) {
		for i := range n {
			name := fmt.Sprint("svc", i/2)
			tx.Put(service(name, 80))
			tx.Put(bigIngress(i, name))
		}
	})
	return s
}

func bigIngress(i int, svc string) *networkingv1.Ingress {
	var paths []string
	for j := range 1 + i%10 {
		paths = append(paths, fmt.Sprintf("/path/number%d", j))
	}
	in := web(fmt.Sprint("web", i), fmt.Sprintf("host%d.example.com", i), map[string]string{"proxy-body-size": "8m", "proxy-read-timeout": "120"}, paths...)
	for j := range in.Spec.Rules[0].HTTP.Paths {
		in.Spec.Rules[0].HTTP.Paths[j].Backend.Service.Name = svc
	}
	in.CreationTimestamp = metav1.NewTime(time.Unix(int64(i*7919%100003), 0))
	return in
}

func BenchmarkTranslate(b *testing.B) {
	for _, n := range []int{100, 1000, 10000} {
		s := bigStore(n)
		b.Run(fmt.Sprintf("cold/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				New(DefaultOptions()).Translate(s.View())
			}
		})
		b.Run(fmt.Sprintf("ingress-changed/%d", n), func(b *testing.B) {
			tr := New(DefaultOptions())
			tr.Translate(s.View())
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				s.Update(func(tx *store.Tx) { tx.Put(bigIngress(n/2, fmt.Sprint("svc", n/4))) })
				b.StartTimer()
				tr.Translate(s.View())
			}
		})
		b.Run(fmt.Sprintf("service-changed/%d", n), func(b *testing.B) {
			tr := New(DefaultOptions())
			tr.Translate(s.View())
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				s.Update(func(tx *store.Tx) { tx.Put(service(fmt.Sprint("svc", n/4), 80)) })
				b.StartTimer()
				tr.Translate(s.View())
			}
		})
	}
}

// BenchmarkTranslateWithProblems has one problem per Ingress and a wildcard
// host with TLS, so that nothing is skipped for lack of it.
func BenchmarkTranslateWithProblems(b *testing.B) {
	const n = 10000
	s := store.New()
	parent := web("parent", "*.example.com", nil, "/")
	parent.Spec.TLS = []networkingv1.IngressTLS{{}}
	s.Update(func(tx *store.Tx) {
		tx.Put(parent)
		for i := range n {
			tx.Put(bigIngress(i, "gone"))
		}
	})
	tr := New(DefaultOptions())
	tr.Translate(s.View())
	for b.Loop() {
		b.StopTimer()
		s.Update(func(tx *store.Tx) { tx.Put(bigIngress(n/2, "gone")) })
		b.StartTimer()
		tr.Translate(s.View())
	}
}
