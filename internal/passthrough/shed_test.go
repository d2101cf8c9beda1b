package passthrough

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"daemun/internal/ir"
)

// talk is a connection to a backend that stays open.
type talk struct {
	t   *testing.T
	tcp *net.TCPConn
	tls *tls.Conn
	in  *bufio.Reader
}

func (r *rig) talk(t *testing.T) *talk {
	t.Helper()
	c := r.dial(t).(*net.TCPConn)
	s := tls.Client(c, &tls.Config{ServerName: "own.test", InsecureSkipVerify: true})
	v := &talk{t, c, s, bufio.NewReader(s)}
	v.says()
	return v
}

// says has something go both ways.
func (v *talk) says() {
	v.t.Helper()
	if _, err := io.WriteString(v.tls, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		v.t.Fatal(err)
	}
	resp, err := http.ReadResponse(v.in, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "backend of own.test" {
		v.t.Fatalf("%q, %v", b, err)
	}
}

func (v *talk) isSilent() time.Duration {
	v.t.Helper()
	d, ok := silence(v.tcp)
	if !ok {
		v.t.Fatal("the kernel says nothing of the socket")
	}
	return d
}

// among makes connections of any silence give way.
func (r *rig) among(least time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leastIdle = least
}

// TestH6_13_LongestSilenceGivesWay, once it has lasted long enough.
func TestH6_13_LongestSilenceGivesWay(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(*ir.Route) {}, backend(t))
	r.among(time.Hour)
	silent, used := r.talk(t), r.talk(t)
	if r.ShedIdle() {
		t.Error("who has not been silent for long has given way")
	}
	r.among(0)
	for silent.isSilent() < used.isSilent()+100*time.Millisecond { // the kernel counts in steps
		used.says()
	}
	if !r.ShedIdle() {
		t.Fatal("nobody gives way")
	}
	if _, err := silent.in.ReadByte(); err == nil || err == io.EOF {
		t.Errorf("the end of the silent one: %v", err)
	}
	used.says()
	if n := r.Stats().Shed; n != 1 {
		t.Errorf("%d have given way", n)
	}
}

// TestH6_13_FullOfSilence: a listener whose places are all kept by connections
// that are passed through takes the next one nevertheless.
func TestH6_13_FullOfSilence(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(*ir.Route) {}, backend(t))
	r.among(0)
	for range places + 8 {
		r.talk(t)
	}
	if n := r.Stats().Shed; n < 8 {
		t.Errorf("%d have given way", n)
	}
}
