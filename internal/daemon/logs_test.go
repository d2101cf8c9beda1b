package daemon

import (
	"bytes"
	"context"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"daemun/internal/accesslog"
	"daemun/internal/ir"
	"daemun/internal/l4"
	"daemun/internal/translate"
)

// flush writes what waits.
func (l *logs) flush(t *testing.T) {
	t.Helper()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, log := range []*accesslog.Log{l.requests, l.sessions} {
		if err := log.Run(ended); err != nil {
			t.Fatal(err)
		}
	}
}

func testLogs(folder string) (*logs, *bytes.Buffer, *slog.LevelVar) {
	var out bytes.Buffer
	_, level := NewLogger(&out, LogConfig{})
	c := GatewayConfig{Stdout: &out, Stderr: &out, AccessLogDir: folder, Translate: translate.DefaultOptions()}
	c.Translate.ConfigMap = "ingress/settings"
	return newLogs(c, level), &out, level
}

// TestLogFilesNeedTheOperatorsFolder: a ConfigMap opens files only below the
// folder of the flag (H9.6); anything else goes to standard output and is a
// problem, which goes when the key does.
func TestLogFilesNeedTheOperatorsFolder(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for _, tt := range []struct {
		folder, path string
		file, code   string
	}{
		{"", "", "", ""},
		{"", "all.log", "", codeLogFolder},
		{folder, "all.log", "all.log", ""},
		{folder, folder + "/sub.log", "sub.log", ""},
		{folder, "/etc/passwd", "", codeLogFolder},
		{folder, "../up.log", "", codeLogFolder},
		{folder, "none/deep.log", "-", codeLogWrite},
	} {
		l, out, _ := testLogs(tt.folder)
		l.use(ir.Logs{Format: "line of $status", Path: tt.path})
		l.requests.Log(&accesslog.Entry{Status: 200})
		l.flush(t)
		var codes []string
		for _, p := range l.problems() {
			codes = append(codes, p.Code)
		}
		if got := strings.Join(codes, ","); got != tt.code {
			t.Errorf("%q in %q: problems %s", tt.path, tt.folder, got)
		}
		if got := strings.Contains(out.String(), "line of 200"); got != (tt.file == "") {
			t.Errorf("%q in %q: standard output %q", tt.path, tt.folder, out)
		}
		if tt.file != "" && tt.file != "-" {
			if text, err := os.ReadFile(filepath.Join(folder, tt.file)); err != nil || string(text) != "line of 200\n" {
				t.Errorf("%s: %q, %v", tt.file, text, err)
			}
		}
		l.use(ir.Logs{})
		if tt.code == codeLogFolder && len(l.problems()) > 0 {
			t.Errorf("%q: the problem stays", tt.path)
		}
	}
}

func TestErrorLogLevel(t *testing.T) {
	t.Parallel()
	l, _, level := testLogs("")
	for text, want := range map[string]slog.Level{"debug": slog.LevelDebug, "warn": slog.LevelWarn, "error": slog.LevelError, "": slog.LevelInfo} {
		l.use(ir.Logs{Level: text, Skip: []string{"/" + text}})
		if level.Level() != want {
			t.Errorf("%q: %s", text, level.Level())
		}
	}
}

func TestSessionLines(t *testing.T) {
	t.Parallel()
	l, out, _ := testLogs("")
	l.use(ir.Logs{StreamFormat: "$protocol $status $proxy_upstream_name $upstream_addr $bytes_sent $bytes_received"})
	now := time.Now()
	s := &l4.Session{
		Transport: ir.TCP, Namespace: "db", Name: "pg", Client: netip.MustParseAddrPort("192.0.2.1:1"), Server: netip.MustParseAddrPort("192.0.2.2:5432"),
		Endpoint: netip.MustParseAddrPort("10.0.0.1:5432"), Begin: now, End: now, ToClient: 3, ToEndpoint: 4,
	}
	l.logSession(s)
	failed := *s
	failed.Failed, failed.Transport, failed.Endpoint = true, ir.UDP, netip.AddrPort{}
	l.logSession(&failed)
	l.use(ir.Logs{StreamOff: true})
	l.logSession(s)
	l.flush(t)
	want := "TCP 200 tcp-db-pg-5432 10.0.0.1:5432 3 4\nUDP 502 udp-db-pg-5432 - 3 4\n"
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Error(d)
	}
}
