package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// lab is the running program and its backends.
type lab struct {
	dir      string
	cmd      *exec.Cmd
	backends [2]*backend
	// Where it listens, and what tells of it.
	plain, secure, admin string
}

// patience bounds what has to happen.
const patience = time.Minute

// start builds and starts everything.
func start(ctx context.Context, dir string) (*lab, error) {
	l := &lab{dir: dir}
	bin := filepath.Join(dir, "daemun")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", bin, "./cmd/daemun")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build: %w\n%s", err, out)
	}
	for i := range l.backends {
		b, err := newBackend()
		if err != nil {
			return nil, err
		}
		l.backends[i] = b
	}
	if err := os.Mkdir(filepath.Join(dir, "objects"), 0o700); err != nil {
		return nil, err
	}
	if err := errors.Join(l.write("routes", routes), l.setEndpoints(true, true), l.setExtra(0)); err != nil {
		return nil, err
	}
	output, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer output.Close()
	ready := filepath.Join(dir, "ready")
	l.cmd = exec.Command(bin, "up", "--quiet", "--http-port", "0", "--https-port", "0", "--admin-address", "127.0.0.1:0",
		"--state-dir", filepath.Join(dir, "state"), "--ready-file", ready, filepath.Join(dir, "objects"))
	l.cmd.Stdout, l.cmd.Stderr = output, os.Stderr
	if err := l.cmd.Start(); err != nil {
		return nil, err
	}
	if err := l.awaitReady(ctx, ready); err != nil {
		return nil, errors.Join(err, l.stop())
	}
	return l, nil
}

func (l *lab) awaitReady(ctx context.Context, file string) error {
	var addrs struct{ HTTP, HTTPS, Admin string }
	return until(ctx, "the program is ready", func() bool {
		b, err := os.ReadFile(file)
		if err != nil || json.Unmarshal(b, &addrs) != nil || addrs.Admin == "" {
			return false
		}
		l.plain, l.secure, l.admin = addrs.HTTP, addrs.HTTPS, addrs.Admin
		return true
	})
}

// stop ends the program and waits for it; the error is that of the program.
func (l *lab) stop() error {
	_ = l.cmd.Process.Signal(os.Interrupt)
	err := l.cmd.Wait()
	for _, b := range l.backends {
		b.close()
	}
	return err
}

// tell prints what the program has logged of requests that it could not serve.
func (l *lab) tell() {
	b, err := os.ReadFile(filepath.Join(l.dir, "log"))
	if err != nil {
		return
	}
	lines := regexp.MustCompile(`(?m)^.* HTTP/[0-9.]+" (?:408|50[0-9]) .*$`).FindAll(b, told)
	fmt.Printf("\n%s\n", bytes.Join(lines, []byte("\n")))
}

// until waits until done reports true.
func until(ctx context.Context, what string, done func() bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("never happened: %s", what)
		}
	}
	return nil
}

// write replaces a file of objects at once.
func (l *lab) write(name, text string) error {
	tmp := filepath.Join(l.dir, name+".tmp")
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(l.dir, "objects", name+".yaml"))
}

// rest waits until no client is connected and then until the program holds no
// more than what it keeps: idle goroutines and buffers go within seconds.
func (l *lab) rest(ctx context.Context) (state, error) {
	err := until(ctx, "all clients are gone", func() bool {
		text, err := l.metrics()
		return err == nil && value(text, `nginx_ingress_controller_nginx_process_connections{state="active"}`) <= 0
	})
	if err != nil {
		return state{}, err
	}
	least, since := state{}, time.Now()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for time.Since(since) < settle { // from the last time that something became less
		select {
		case <-tick.C:
		case <-ctx.Done():
			return state{}, ctx.Err()
		}
		s, err := l.state()
		if err != nil {
			return state{}, err
		}
		if least.goroutines == 0 || s.goroutines < least.goroutines || s.descriptors < least.descriptors {
			least, since = s, time.Now()
		}
		least.memory = min(least.memory, s.memory)
	}
	return least, nil
}

// settle is for how long nothing has to become less.
const settle = 5 * time.Second

func (l *lab) state() (state, error) {
	text, err := l.metrics()
	if err != nil {
		return state{}, err
	}
	proc := fmt.Sprintf("/proc/%d/", l.cmd.Process.Pid)
	list, err := os.ReadDir(proc + "fd")
	if err != nil {
		return state{}, err
	}
	s := state{
		goroutines: int(value(text, "go_goroutines")), descriptors: len(list),
		memory: int(value(text, "nginx_ingress_controller_nginx_process_resident_memory_bytes")) >> 10,
		panics: sum(text, "daemun_panics_total"),
	}
	if s.goroutines <= 0 || s.memory <= 0 {
		return state{}, fmt.Errorf("the metrics lack goroutines or memory: %s", s)
	}
	return s, nil
}

func (l *lab) metrics() (string, error) {
	resp, err := http.Get("http://" + l.admin + "/metrics")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

// sum adds all series of a name.
func sum(text, name string) (total int) {
	for _, m := range regexp.MustCompile(`(?m)^`+name+`(?:\{[^}]*\})? (\S+)$`).FindAllStringSubmatch(text, -1) {
		v, _ := strconv.ParseFloat(m[1], 64)
		total += int(v)
	}
	return total
}

// value is that of a series, whatever further labels it has; -1 without one.
func value(text, series string) float64 {
	name := regexp.QuoteMeta(series)
	name = regexp.MustCompile(`\\\{(.*)\\\}`).ReplaceAllString(name, `\{[^}]*$1[^}]*\}`)
	m := regexp.MustCompile(`(?m)^` + name + `(?:\{[^}]*\})? (\S+)$`).FindStringSubmatch(text)
	if m == nil {
		return -1
	}
	v, _ := strconv.ParseFloat(m[1], 64)
	return v
}
