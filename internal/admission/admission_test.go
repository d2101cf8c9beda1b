package admission

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	admissionv1 "k8s.io/api/admission/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"daemun/internal/ir"
	"daemun/internal/store"
	"daemun/internal/translate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const create = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u1","operation":"CREATE","namespace":"shop","name":"web",
"resource":{"group":"networking.k8s.io","version":"v1","resource":"ingresses"},"object":{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{"name":"web"}}}}`

func ask(t *testing.T, c Config, body string) (*httptest.ResponseRecorder, *admissionv1.AdmissionResponse) {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, Path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	New(c).ServeHTTP(w, r)
	review := admissionv1.AdmissionReview{}
	if w.Code == http.StatusOK {
		if err := json.Unmarshal(w.Body.Bytes(), &review); err != nil || review.Response == nil || review.Response.UID == "" || review.Kind != "AdmissionReview" {
			t.Fatalf("answer %s: %v", w.Body, err)
		}
	}
	return w, review.Response
}

func says(problems ...ir.Problem) func(*networkingv1.Ingress) (translate.Checked, error) {
	return func(in *networkingv1.Ingress) (translate.Checked, error) {
		if in.Namespace != "shop" || in.Name != "web" {
			return translate.Checked{}, errors.New("asked about " + in.Namespace + "/" + in.Name)
		}
		return translate.Checked{Ours: true, Problems: problems}, nil
	}
}

func TestReviews(t *testing.T) {
	t.Parallel()
	object := ir.Ref{Kind: "Ingress", Namespace: "shop", Name: "web"}
	bad := ir.Problem{Code: translate.CodeHost, Severity: ir.SeverityError, Object: object, Field: "spec.rules[0].host", Message: "is wrong"}
	missing := ir.Problem{Code: translate.CodeNoService, Severity: ir.SeverityError, Object: object, Message: "there is no Service"}
	odd := ir.Problem{Code: "DMN0301", Severity: ir.SeverityWarning, Object: object, Message: "is odd"}
	note := ir.Problem{Code: "DMN0308", Severity: ir.SeverityNotice, Object: object, Message: "is old"}
	foreign := func(*networkingv1.Ingress) (translate.Checked, error) {
		return translate.Checked{Problems: []ir.Problem{bad}}, nil
	}
	for _, tt := range []struct {
		name, body string
		config     Config
		allowed    bool
		message    string
		warnings   []string
	}{
		{"nothing wrong", create, Config{Check: says()}, true, "", nil},
		{"an error in the object", create, Config{Check: says(odd, bad)}, false, bad.String(), nil},
		{"what may come later", create, Config{Check: says(missing, odd, note)}, true, "", []string{missing.String(), odd.String()}},
		{"another class", create, Config{Check: foreign}, true, "", nil},
		{"another namespace", create, Config{Check: says(bad), InScope: func(string) bool { return false }}, true, "", nil},
		{"deletion", strings.Replace(create, "CREATE", "DELETE", 1), Config{Check: says(bad)}, true, "", nil},
		{"on its way out", strings.Replace(create, `"metadata":{`, `"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z",`, 1), Config{Check: says(bad)}, true, "", nil},
		{"update", strings.Replace(create, "CREATE", "UPDATE", 1), Config{Check: says(bad)}, false, bad.String(), nil},
		{"another kind", strings.Replace(create, `"ingresses"`, `"services"`, 1), Config{Check: says(bad)}, true, "", nil},
		{"status", strings.Replace(create, `"resource":"ingresses"}`, `"resource":"ingresses"},"subResource":"status"`, 1), Config{Check: says(bad)}, true, "", nil},
		{"no Ingress", strings.Replace(create, `"metadata":{"name":"web"}`, `"spec":7`, 1), Config{Check: says()}, false, "the object is no Ingress", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w, got := ask(t, tt.config, tt.body)
			if got == nil {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			message := ""
			if got.Result != nil {
				message = got.Result.Message
			}
			if got.Allowed != tt.allowed || !strings.HasPrefix(message, tt.message) || (tt.message == "") != (message == "") || !slices.Equal(got.Warnings, tt.warnings) {
				t.Errorf("allowed %v, %q, warnings %q", got.Allowed, message, got.Warnings)
			}
		})
	}
}

func TestWrongRequests(t *testing.T) {
	t.Parallel()
	starting := Config{Check: func(*networkingv1.Ingress) (translate.Checked, error) {
		return translate.Checked{}, errors.New("starting")
	}}
	for name, tt := range map[string]struct {
		config Config
		body   string
		status int
	}{
		"no JSON":       {Config{Check: says()}, "{", http.StatusBadRequest},
		"no request":    {Config{Check: says()}, "{}", http.StatusBadRequest},
		"H8.4 too long": {Config{Check: says()}, `{"a":"` + strings.Repeat("x", maxReview) + `"}`, http.StatusRequestEntityTooLarge},
		"not yet":       {starting, create, http.StatusServiceUnavailable},
		"panic":         {Config{Check: func(*networkingv1.Ingress) (translate.Checked, error) { panic("oops") }}, create, http.StatusInternalServerError},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if w, _ := ask(t, tt.config, tt.body); w.Code != tt.status {
				t.Errorf("%d %s, want %d", w.Code, w.Body, tt.status)
			}
		})
	}
	w := httptest.NewRecorder()
	New(starting).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("another path: %d", w.Code)
	}
}

// writePair writes a certificate for a name.
func writePair(t *testing.T, dir, name string, changed time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{"crt": {Type: "CERTIFICATE", Bytes: der}, "key": {Type: "PRIVATE KEY", Bytes: keyDER}} {
		path := filepath.Join(dir, file)
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, changed, changed); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFilesAreReadAgain when they change; a pair that does not fit leaves the
// last good one, and is told when it is read, not when somebody calls.
func TestFilesAreReadAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	said := &strings.Builder{}
	logger := slog.New(slog.NewTextHandler(said, nil))
	if _, err := NewFiles(filepath.Join(dir, "crt"), filepath.Join(dir, "key"), logger); err == nil {
		t.Error("files that are not there were read")
	}
	start := time.Now()
	writePair(t, dir, "one", start)
	f, err := NewFiles(filepath.Join(dir, "crt"), filepath.Join(dir, "key"), logger)
	if err != nil {
		t.Fatal(err)
	}
	serves := func(name string) {
		t.Helper()
		f.look()
		pair, err := f.Get(nil)
		if err != nil || pair.Leaf.Subject.CommonName != name {
			t.Errorf("%v %v, want %s", pair.Leaf.Subject, err, name)
		}
	}
	serves("one")
	writePair(t, dir, "two", start.Add(time.Second))
	serves("two")
	if p := f.Problems(); len(p) > 0 {
		t.Errorf("good files: %v", p)
	}
	if err := os.WriteFile(filepath.Join(dir, "key"), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	serves("two")
	serves("two")
	if n := strings.Count(said.String(), "ERROR"); n != 1 || !strings.Contains(said.String(), filepath.Join(dir, "key")) {
		t.Errorf("said %d times, want one line that names the file: %s", n, said)
	}
	if p := f.Problems(); len(p) != 1 || p[0].Code != CodeCertificate || !strings.Contains(p[0].Message, filepath.Join(dir, "key")) {
		t.Errorf("broken files: %v", p)
	}
}

// TestH8_5PanicTellsTheLogOnly: whoever reaches the port learns nothing of the
// program.
func TestH8_5PanicTellsTheLogOnly(t *testing.T) {
	t.Parallel()
	said := &strings.Builder{}
	w, _ := ask(t, Config{
		Check:  func(*networkingv1.Ingress) (translate.Checked, error) { panic("oops") },
		Logger: slog.New(slog.NewTextHandler(said, nil)),
	}, create)
	if strings.Contains(w.Body.String(), "goroutine") || strings.Contains(w.Body.String(), "oops") || !strings.Contains(said.String(), "goroutine") {
		t.Errorf("answer %q, log %q", w.Body, said)
	}
}

// TestLongReviews: an Ingress of 10,000 paths can be changed, and so made
// shorter: such a review holds it twice.
func TestLongReviews(t *testing.T) {
	t.Parallel()
	long := strings.Replace(create, `"request":{`, `"request":{"oldObject":{"x":"`+strings.Repeat("x", 3<<20)+`"},`, 1)
	if w, got := ask(t, Config{Check: says()}, long); got == nil || !got.Allowed {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestH8_4LongReviewsWait: only a few are in memory at once; one that has to
// wait ends with its request.
func TestH8_4LongReviewsWait(t *testing.T) {
	t.Parallel()
	h := New(Config{Check: says()})
	others := make([]guest, longAtOnce)
	for i := range others {
		if others[i].stage.Store(judging); !h.long.take(&others[i]) {
			t.Fatal("no place")
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	body := &untouched{}
	r := httptest.NewRequest(http.MethodPost, Path, body).WithContext(ctx)
	r.Header.Set("Content-Type", "application/json")
	r.ContentLength = maxShort + 1
	h.ServeHTTP(httptest.NewRecorder(), r)
	if body.read {
		t.Error("a long review was read while others were")
	}
	h.long.give(&others[0])
	w := httptest.NewRecorder()
	r = httptest.NewRequest(http.MethodPost, Path, strings.NewReader(create))
	r.Header.Set("Content-Type", "application/json")
	if h.ServeHTTP(w, r); w.Code != http.StatusOK || len(h.long.held) != longAtOnce-1 || len(h.all.held) != 0 {
		t.Errorf("%d; %d long reviews, %d in all", w.Code, len(h.long.held), len(h.all.held))
	}
}

// untouched is a body that notices that it is read.
type untouched struct{ read bool }

func (u *untouched) Read([]byte) (int, error) { u.read = true; return 0, io.EOF }

// FuzzReview: no body panics or is answered with anything but a review or an
// error.
func FuzzReview(f *testing.F) {
	f.Add([]byte(create))
	f.Add([]byte(`{"request":{"object":null,"operation":"CREATE","resource":{"group":"networking.k8s.io","resource":"ingresses"}}}`))
	h := New(Config{Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)), Check: func(in *networkingv1.Ingress) (translate.Checked, error) {
		o := translate.DefaultOptions()
		o.WithoutClass = true
		return translate.Check(&store.View{}, &ir.Config{}, o, in, time.Unix(0, 0)), nil
	}})
	f.Fuzz(func(t *testing.T, body []byte) {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, Path, bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		h.ServeHTTP(w, r)
		if w.Code == http.StatusInternalServerError {
			t.Errorf("%s", w.Body)
		}
	})
}

// TestStatsCountByIngress, up to a bound.
func TestStatsCountByIngress(t *testing.T) {
	t.Parallel()
	h := New(Config{})
	for range 3 {
		h.counts.checked(Name{"shop", "web"}, true, 4, time.Second)
	}
	h.counts.checked(Name{"shop", "web"}, false, 2, time.Millisecond)
	h.counts.answered(time.Minute, 100)
	s := h.Stats()
	if s.Checks[Name{"shop", "web"}] != (Checks{3, 1}) || s.Together != 2 || s.Checked != time.Millisecond || s.Last != time.Minute || s.Size != 100 {
		t.Errorf("%+v", s)
	}
	for i := range 2 * maxNames {
		h.counts.checked(Name{"made", strconv.Itoa(i)}, false, 1, 0)
	}
	if s := h.Stats(); len(s.Checks) != maxNames+1 || s.Checks[Name{}].Refused != maxNames+1 {
		t.Errorf("%d names, %+v together", len(s.Checks), s.Checks[Name{}])
	}
}
