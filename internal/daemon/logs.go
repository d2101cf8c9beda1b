package daemon

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"

	"daemun/internal/accesslog"
	"daemun/internal/ir"
)

// The problems of logs.
const (
	codeLogFolder = "DMN0372"
	codeLogWrite  = "DMN0373"
)

// logs are the access logs of a gateway, and the level of what it says itself.
type logs struct {
	config GatewayConfig
	// requests and sessions are two logs, as they may go to different places.
	requests, sessions *accesslog.Log
	to, sessionsTo     *accesslog.Destination
	stdout             io.Writer

	base  slog.Level
	level *slog.LevelVar

	used   ir.Logs // by the control loop only
	wrong  atomic.Pointer[[]ir.Problem]
	object ir.Ref
}

func newLogs(c GatewayConfig, level *slog.LevelVar) *logs {
	l := &logs{config: c, stdout: &wholeWrites{to: c.Stdout}, base: c.Log.Level, level: level}
	l.object = configMapRef(c.Translate.ConfigMap)
	l.to, l.sessionsTo = accesslog.NewDestination(l.stdout), accesslog.NewDestination(l.stdout)
	l.requests, l.sessions = accesslog.New(accesslog.Config{Writer: l.to}), accesslog.New(accesslog.Config{Writer: l.sessionsTo})
	l.wrong.Store(new([]ir.Problem))
	return l
}

func configMapRef(name string) ir.Ref {
	k, ok := keyOf("ConfigMap", name)
	if !ok {
		return ir.Ref{}
	}
	return ir.Ref{Kind: k.Kind, Namespace: k.Namespace, Name: k.Name}
}

// use takes over the settings of a new table.
func (l *logs) use(s ir.Logs) {
	if reflect.DeepEqual(s, l.used) {
		return
	}
	l.used = s
	settings := accesslog.Settings{
		Format: s.Format, StreamFormat: s.StreamFormat, Escape: accesslog.Escape(s.Escape), Skip: s.Skip, StreamOff: s.StreamOff,
	}
	l.requests.Use(settings)
	l.sessions.Use(settings)
	var wrong []ir.Problem
	file := func(key, path string) io.Writer {
		w, why := l.file(path)
		if why != "" {
			wrong = append(wrong, ir.Problem{Code: codeLogFolder, Severity: ir.SeverityWarning, Object: l.object, Field: "data[" + key + "]", Message: why})
		}
		return w
	}
	if s.Syslog != "" {
		l.to.Use(accesslog.NewSyslog(s.Syslog))
	} else {
		l.to.Use(file("access-log-path", s.Path))
	}
	l.sessionsTo.Use(file("stream-access-log-path", s.StreamPath))
	l.wrong.Store(&wrong)
	l.level.Set(levelOf(s.Level, l.base))
}

// file is where the lines for a path go. Only the operator's own flag opens a
// part of the disk to the ConfigMap (H9.6).
func (l *logs) file(path string) (w io.Writer, why string) {
	folder := l.config.AccessLogDir
	switch {
	case path == "":
		return l.stdout, ""
	case path == "/dev/stderr":
		return l.config.Stderr, ""
	case folder == "":
		return l.stdout, fmt.Sprintf("%.80q is a file, and --access-log-dir names no folder for such files; the lines go to standard output", path)
	}
	name := path
	if filepath.IsAbs(path) {
		var err error
		if name, err = filepath.Rel(folder, path); err != nil {
			name = ".."
		}
	}
	if !filepath.IsLocal(name) {
		return l.stdout, fmt.Sprintf("%.80q is not below %s, the folder of --access-log-dir; the lines go to standard output", path, folder)
	}
	return accesslog.NewFile(folder, name), ""
}

// levelOf reads ir.Logs.Level.
func levelOf(text string, base slog.Level) slog.Level {
	switch text {
	case "debug":
		return slog.LevelDebug
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	}
	return base
}

// problems are those of places for logs that cannot be used.
func (l *logs) problems() []ir.Problem {
	list := *l.wrong.Load()
	for _, d := range []struct {
		name string
		log  *accesslog.Log
	}{{"access log", l.requests}, {"access log of TCP and UDP services", l.sessions}} {
		if err := d.log.Err(); err != nil {
			list = append(list[:len(list):len(list)], ir.Problem{
				Code: codeLogWrite, Severity: ir.SeverityError, Object: l.object,
				Message: "the " + d.name + " cannot be written: " + strings.ToValidUTF8(err.Error(), "?") + "; its lines are lost until that is mended",
			})
		}
	}
	return list
}

// run opens files anew when asked to.
func (l *logs) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.config.Reopen:
			l.to.Reopen()
			l.sessionsTo.Reopen()
		}
	}
}

func (l *logs) start(members *group) {
	members.start("access log", l.requests.Run)
	members.start("access log of TCP and UDP services", l.sessions.Run)
	members.start("log files", l.run)
}

func (l *logs) dropped() uint64 { return l.requests.Dropped() + l.sessions.Dropped() }
func (l *logs) written() uint64 { return l.requests.Written() + l.sessions.Written() }

// wholeWrites keeps the lines of two logs from mixing: a file does so by
// itself, other writers need not.
type wholeWrites struct {
	to io.Writer
	mu sync.Mutex
}

// Write implements io.Writer.
func (w *wholeWrites) Write(p []byte) (int, error) {
	if f, ok := w.to.(*os.File); ok {
		return f.Write(p)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(p)
}
