package admin

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/store"
)

const logText = "2020-01-02T03:04:05.000000001Z stdout F one\n" +
	"2026-01-02T03:04:06.000000001Z stderr P tw\n" +
	"2026-01-02T03:04:06.000000002Z stderr F o\n" +
	"2026-01-02T03:04:07.000000001Z stdout F three\n" +
	"2026-01-02T03:04:08.000000001Z stdout F unfini"

// logServer serves the logs of default/web with a container "app", and of
// default/pair with "a" and "b".
func logServer(t *testing.T) *httptest.Server {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "web.app"), []byte(logText), 0o600); err != nil {
		t.Fatal(err)
	}
	s := store.New()
	pod := func(name string, containers ...string) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
		for _, c := range containers {
			p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: c})
		}
		return p
	}
	s.Update(func(tx *store.Tx) { tx.Put(pod("web", "app")); tx.Put(pod("pair", "a", "b")) })
	srv := httptest.NewServer(Handler(Config{
		View: s.View, Metrics: http.NotFoundHandler(),
		LogPath: func(pod store.Name, container string) string { return filepath.Join(dir, pod.Name+"."+container) },
	}))
	t.Cleanup(srv.Close)
	return srv
}

func TestLogs(t *testing.T) {
	t.Parallel()
	srv := logServer(t)
	for _, c := range []struct{ name, query, want string }{
		{"whole lines without their times", "web", "one\ntwo\nthree\n"},
		{"times", "web?timestamps=true&tail=1", "2026-01-02T03:04:07.000000001Z three\n"},
		{"tail", "web?tail=1", "three\n"},
		{"nothing", "web?tail=0", ""},
		{"all that is young enough", "web?since=" + time.Since(time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC)).String(), "two\nthree\n"},
		{"of the tail, what is young enough", "web?tail=1&since=" + time.Since(time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC)).String(), "three\n"},
		{"all is too old", "web?since=0s", ""},
		{"tail beyond the beginning", "web?tail=99", "one\ntwo\nthree\n"},
		{"named container", "web?container=app&tail=3", "two\nthree\n"},
		{"not started", "pair?container=b", ""},
		{"several containers", "pair", "pod default/pair has several containers: choose one of a, b with -c\n"},
		{"unknown container", "web?container=x", "pod default/web has no container \"x\"; it has app\n"},
		{"unknown pod", "nobody", "pod default/nobody not found\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			resp, err := srv.Client().Get(srv.URL + "/api/v1/logs/default/" + c.query)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			var b strings.Builder
			if _, err := io.Copy(&b, resp.Body); err != nil {
				t.Fatal(err)
			}
			if b.String() != c.want {
				t.Errorf("got %q, want %q", b.String(), c.want)
			}
		})
	}
}
