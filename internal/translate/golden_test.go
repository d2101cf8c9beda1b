package translate

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"daemun/internal/annotation"
	"daemun/internal/store"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestGolden walks testdata/<topic>/<case>.in.yaml. A document of kind Options
// sets options; a Secret with the annotation test/certificate gets a pair for
// the names there. In the output, policies and settings that have their default
// are left out, and so is a catch-all block that nobody touched.
func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*/*.in.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(file, "testdata/"), ".in.yaml")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			o, objects := decode(t, in)
			v := viewOf(objects)
			got := printed(t, v, New(o).Translate(v))
			golden := strings.TrimSuffix(file, ".in.yaml") + ".out.yaml"
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), string(got)); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func decode(t testing.TB, in []byte) (Options, []store.Object) {
	t.Helper()
	o := DefaultOptions()
	o.CheckRules = func(rules string) error {
		if before, _, broken := strings.Cut(rules, "broken"); broken {
			return fmt.Errorf("line %d: is broken", strings.Count(before, "\n")+1)
		}
		return nil
	}
	var objects []store.Object
	for doc := range bytes.SplitSeq(in, []byte("\n---\n")) {
		var head struct{ Kind string }
		if err := yaml.Unmarshal(doc, &head); err != nil {
			t.Fatal(err)
		}
		var object store.Object
		switch head.Kind {
		case "Options":
			if err := yaml.Unmarshal(doc, &o); err != nil {
				t.Fatal(err)
			}
			continue
		case "Ingress":
			object = &networkingv1.Ingress{}
		case "IngressClass":
			object = &networkingv1.IngressClass{}
		case "Service":
			object = &corev1.Service{}
		case "Secret":
			object = &corev1.Secret{}
		case "ConfigMap":
			object = &corev1.ConfigMap{}
		case "EndpointSlice":
			object = &discoveryv1.EndpointSlice{}
		default:
			t.Fatalf("kind %q", head.Kind)
		}
		if err := yaml.UnmarshalStrict(doc, object); err != nil {
			t.Fatal(err)
		}
		if head.Kind != "IngressClass" && object.GetNamespace() == "" {
			object.SetNamespace("default")
		}
		if s, ok := object.(*corev1.Secret); ok && s.Annotations["test/certificate"] != "" {
			s.Data = pair(t, s.Annotations["test/certificate"], s.Annotations["test/break"])
		}
		objects = append(objects, object)
	}
	return o, objects
}

func viewOf(objects []store.Object) *store.View {
	s := store.New()
	s.Update(func(tx *store.Tx) {
		for _, o := range objects {
			tx.Put(o)
		}
	})
	return s.View()
}

// pair makes the data of a TLS Secret; how it is to be broken may be "key",
// "crt", or empty. "CN=name" makes a certificate without alternative names.
func pair(t testing.TB, names, how string) map[string][]byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Date(2040, 1, 2, 3, 4, 5, 0, time.UTC)}
	if cn, ok := strings.CutPrefix(names, "CN="); ok {
		tmpl.Subject = pkix.Name{CommonName: cn}
	} else {
		tmpl.DNSNames = strings.Split(names, ",")
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if how == "key" {
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	if how == "crt" {
		der = der[:40]
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{
		"tls.crt": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		"tls.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}
}

// tree turns a value into what its JSON says.
func tree(t testing.TB, v any) map[string]any {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func printed(t testing.TB, v *store.View, r Result) []byte {
	t.Helper()
	defaults := tree(t, annotation.Defaults().Policies)
	cfg := tree(t, r.Config)
	untouched := tree(t, New(DefaultOptions()).Translate(viewOf(nil)).Config)
	hosts, _ := cfg["hosts"].([]any)
	var kept []any
	for _, h := range hosts {
		if !reflect.DeepEqual(h, untouched["hosts"].([]any)[0]) {
			kept = append(kept, h)
		}
		routes, _ := h.(map[string]any)["routes"].([]any)
		for _, route := range routes {
			m := route.(map[string]any)
			for key, def := range defaults {
				switch value, has := m[key]; {
				case !has:
					m[key] = "off"
				case reflect.DeepEqual(value, def):
					delete(m, key)
				}
			}
			if _, has := m["maxBody"]; has && m["maxBody"] == "off" {
				m["maxBody"] = 0
			}
		}
	}
	cfg["hosts"] = kept
	if reflect.DeepEqual(cfg["settings"], untouched["settings"]) {
		delete(cfg, "settings")
	}
	if certs, ok := cfg["certificates"].([]any); ok {
		for _, c := range certs {
			delete(c.(map[string]any), "fingerprint")
		}
	}
	var problems []string
	for _, p := range r.Problems {
		problems = append(problems, string(p.Severity)+": "+p.String())
	}
	endpoints := map[string]any{}
	for _, b := range r.Config.Backends {
		if set := Endpoints(v, b); len(set.Endpoints) > 0 {
			endpoints[string(b.ID)] = tree(t, set)["endpoints"]
			for _, zone := range zonesOf(v, b) {
				endpoints[string(b.ID)+" in zone "+zone] = tree(t, EndpointsFor(v, b, zone))["endpoints"]
			}
		}
	}
	maps.Copy(cfg, map[string]any{"problems": problems, "endpoints": endpoints, "otherClass": r.OtherClass})
	for key, value := range cfg {
		if rv := reflect.ValueOf(value); !rv.IsValid() || rv.IsZero() || (rv.Kind() == reflect.Map || rv.Kind() == reflect.Slice) && rv.Len() == 0 {
			delete(cfg, key)
		}
	}
	out, err := yaml.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// withUID gives an object an identity, as the API server does.
func withUID[T store.Object](o T, uid string) T {
	o.SetUID(types.UID(uid))
	return o
}
