package kube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"daemun/internal/kubetest"
	"daemun/internal/store"
)

// crowd holds requests for single Secrets back until so many have come.
type crowd struct {
	next http.Handler
	want int

	mu    sync.Mutex
	came  int
	there chan struct{} // closed when all have come
}

func (c *crowd) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/secrets") && strings.HasPrefix(r.URL.Query().Get("fieldSelector"), "metadata.name=") {
		c.mu.Lock()
		if c.came++; c.came == c.want {
			close(c.there)
		}
		c.mu.Unlock()
		select {
		case <-c.there:
		case <-r.Context().Done():
		}
	}
	c.next.ServeHTTP(w, r)
}

// TestSecretsAreReadAtTheSameTime: many Ingresses with a Secret each wait for
// one round trip, not for as many as they are.
func TestSecretsAreReadAtTheSameTime(t *testing.T) {
	t.Parallel()
	api := kubetest.New(t)
	to, err := url.Parse(api.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.FlushInterval = -1
	c := &crowd{next: proxy, want: fetchers, there: make(chan struct{})}
	front := httptest.NewServer(c)
	defer front.Close()
	defer front.CloseClientConnections()
	for i := range fetchers {
		api.Put(t, secret("shop", fmt.Sprintf("cert-%d", i), "1"))
	}
	cluster, err := Connect(Access{Host: front.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	s := NewSource(SourceConfig{Cluster: cluster, Store: store.New(), AnnotationsPrefix: prefix, Logger: slog.New(slog.DiscardHandler)})
	s.patience = time.Minute
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	defer func() { cancel(); <-done }()
	<-s.Synced()
	for i := range fetchers {
		api.Put(t, ingress("shop", fmt.Sprintf("web-%d", i), withTLS(fmt.Sprintf("cert-%d", i))))
	}
	await(t, "Ingresses", func() bool { return len(s.Store.View().Ingresses) == fetchers })
	if n := len(s.Store.View().Secrets); n != fetchers {
		t.Errorf("%d Secrets", n)
	}
}

// TestNewerVersionWaitsForItsOwn: what an older version was missing does not
// release a newer one.
func TestNewerVersionWaitsForItsOwn(t *testing.T) {
	t.Parallel()
	f := newFetches()
	owner := key("Ingress", "shop", "web")
	f.add(owner, []store.Key{key("Secret", "shop", "old")})
	_, first := f.next()
	if _, again := f.next(); again != nil {
		t.Error("two fetchers read for one version")
	}
	f.add(owner, []store.Key{key("Secret", "shop", "new")})
	if f.waiting[owner] == first {
		t.Error("the older version releases the newer one")
	}
	if _, second := f.next(); second == nil || second.missing[0].Name != "new" {
		t.Errorf("next is %+v", second)
	}
}

func TestReason(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want string
	}{
		{errors.New("no route"), "no route"},
		{&apierrors.StatusError{}, "*errors.StatusError without a message"},
	} {
		if got := reason(tt.err); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
	silent := apierrors.NewUnauthorized("")
	silent.ErrStatus.Message = ""
	if got := reason(silent); got != "Unauthorized" {
		t.Errorf("got %q", got)
	}
}
