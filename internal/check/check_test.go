package check

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"daemun/internal/ir"
	"daemun/internal/listen"
)

func codes(list []ir.Problem) string {
	text := ""
	for _, p := range list {
		text += p.Code + " "
	}
	return text
}

func TestHost(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	resolver := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(resolver, []byte("nameserver 127.0.0.1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := Host{Ports: []Port{{"--http-port", "127.0.0.1:0"}}, Resolver: resolver, Files: enoughFiles, Now: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}
	if got := good.Findings(); len(got) > 0 {
		t.Errorf("a good host: %v", got)
	}
	bad := Host{
		Ports:    []Port{{"--http-port", taken.Addr().String()}, {"--https-port", "192.0.2.1:0"}},
		Resolver: resolver + "x", Files: 1024, Now: time.Unix(0, 0),
	}
	want := CodePortTaken + " " + CodePortUnusable + " " + CodeFewFiles + " " + CodeClock + " " + CodeNoResolver + " "
	if got := codes(bad.Findings()); got != want {
		t.Errorf("a bad host: %s, want %s", got, want)
	}
}

func TestInstance(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	list := []listen.CertificateInfo{{ID: "a/old", NotAfter: now}, {ID: "a/soon", NotAfter: now.Add(soon)}, {ID: "a/good", NotAfter: now.Add(soon + 1)}}
	got := Certificates(list, now)
	if len(got) != 2 || got[0].Severity != ir.SeverityError || got[1].Severity != ir.SeverityWarning {
		t.Errorf("%v", got)
	}
	if Ready(nil) != nil || codes(Ready(errors.New("starting"))) != CodeNotReady+" " {
		t.Error("readiness is not what it is told")
	}
}
