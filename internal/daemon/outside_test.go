package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
)

// answers is a resolver that says what it is told to.
type answers struct {
	mu    sync.Mutex
	found []netip.Addr
	err   error
	asked int
}

func (a *answers) LookupNetIP(_ context.Context, family, _ string) ([]netip.Addr, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked++
	if family == "ip6" {
		return nil, a.err
	}
	return a.found, a.err
}

func (a *answers) say(err error, found ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.found, a.err = nil, err
	for _, text := range found {
		a.found = append(a.found, netip.MustParseAddr(text))
	}
}

func TestNamesOutside(t *testing.T) {
	t.Parallel()
	r := &answers{}
	o := newOutsideNames(r, func(host string) []netip.Addr {
		if host == "web.shop" {
			return []netip.Addr{netip.MustParseAddr("127.96.0.1")}
		}
		return nil
	})
	expect := func(host, want string) {
		t.Helper()
		if list, known := o.of(host); fmt.Sprint(list, known) != want {
			t.Errorf("%s: %v %v, want %s", host, list, known, want)
		}
	}
	has := func(c chan struct{}, want bool) {
		t.Helper()
		select {
		case <-c:
			if !want {
				t.Error("a token")
			}
		default:
			if want {
				t.Error("no token")
			}
		}
	}
	o.ask()
	expect("192.0.2.1", "[192.0.2.1] true")
	expect("127.0.0.1", "[] true") // of this machine
	expect("web.shop", "[127.96.0.1] true")
	has(o.wanted, false)
	expect("a.test", "[] false")
	has(o.wanted, true)
	r.say(nil, "192.0.2.2", "192.0.2.1", "127.0.0.1", "192.0.2.2")
	o.refresh(t.Context(), false)
	has(o.changed, true)
	expect("a.test", "[192.0.2.1 192.0.2.2] true")
	o.refresh(t.Context(), true)
	has(o.changed, false)
	r.say(errors.New("timeout"))
	o.refresh(t.Context(), true)
	has(o.changed, false)
	expect("a.test", "[192.0.2.1 192.0.2.2] true") // it is the resolver that failed
	r.say(&net.DNSError{IsNotFound: true})
	o.refresh(t.Context(), true)
	has(o.changed, true)
	expect("a.test", "[] true")
	o.ask() // the last translation asked for it
	if len(o.due(true)) != 1 {
		t.Error("forgotten too early")
	}
	o.ask() // this one's did not
	if len(o.due(true)) != 0 {
		t.Error("not forgotten")
	}
	for n := range maxOutside {
		o.of(fmt.Sprint(n, ".test"))
	}
	expect("one.more.test", "[] true")
}

// TestNewNamesAreLookedUp by the goroutine that is told of them, and it ends.
func TestNewNamesAreLookedUp(t *testing.T) {
	t.Parallel()
	r := &answers{}
	r.say(nil, "192.0.2.1")
	o := newOutsideNames(r, func(string) []netip.Addr { return nil })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- o.Run(ctx) }()
	o.ask()
	o.of("a.test")
	<-o.changed
	if list, known := o.of("a.test"); len(list) != 1 || !known {
		t.Errorf("%v %v", list, known)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
