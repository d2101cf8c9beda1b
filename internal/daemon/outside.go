package daemon

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"daemun/internal/upstream"
)

const (
	// outsideInterval is how long addresses of a name are believed: resolvers
	// do not say for how long they are good.
	outsideInterval = 30 * time.Second
	outsideTimeout  = 10 * time.Second
	// firstLookup bounds what names may delay the start.
	firstLookup = 5 * time.Second
	// maxOutside bounds the names; further ones have no address.
	maxOutside = 1024
)

// outsideNames are the external names that published ports lead to, with their
// addresses: layer 4 connects to addresses only. Backends of routes need none
// of it, they look names up when they connect.
type outsideNames struct {
	resolver upstream.Resolver
	// services has the addresses of names of Services.
	services func(host string) []netip.Addr
	// wanted has a token when a name is new, changed when addresses are.
	wanted, changed chan struct{}

	mu sync.Mutex
	// names are those of the last translation and of the present one, whose
	// number is round.
	names map[string]*outsideName
	round uint64
}

type outsideName struct {
	addresses []netip.Addr
	known     bool
	round     uint64 // of the translation that asked last
}

func newOutsideNames(r upstream.Resolver, services func(string) []netip.Addr) *outsideNames {
	return &outsideNames{
		resolver: r, services: services, names: map[string]*outsideName{},
		wanted: make(chan struct{}, 1), changed: make(chan struct{}, 1),
	}
}

// ask begins a translation: names that the last one did not ask for are
// forgotten.
func (o *outsideNames) ask() func(host string) ([]netip.Addr, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for host, n := range o.names {
		if n.round < o.round {
			delete(o.names, host)
		}
	}
	o.round++
	return o.of
}

// of has the addresses of a name, and whether it has been looked up.
func (o *outsideNames) of(host string) ([]netip.Addr, bool) {
	if a, err := netip.ParseAddr(host); err == nil {
		return usable([]netip.Addr{a}), true
	}
	if found := o.services(host); len(found) > 0 {
		return found, true
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	n := o.names[host]
	if n == nil {
		if len(o.names) >= maxOutside {
			return nil, true
		}
		n = &outsideName{}
		o.names[host] = n
		wake(o.wanted)
	}
	n.round = o.round
	return n.addresses, n.known
}

// Run looks names up until ctx ends.
func (o *outsideNames) Run(ctx context.Context) error {
	tick := time.NewTicker(outsideInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-o.wanted:
			o.refresh(ctx, false)
		case <-tick.C:
			o.refresh(ctx, true)
		}
	}
}

// refresh looks up the names that are not known, or all.
func (o *outsideNames) refresh(ctx context.Context, all bool) {
	for _, host := range o.due(all) {
		found, err := o.lookup(ctx, host)
		if ctx.Err() != nil {
			return
		}
		o.settle(host, found, err)
	}
}

func (o *outsideNames) due(all bool) (hosts []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for host, n := range o.names {
		if all || !n.known {
			hosts = append(hosts, host)
		}
	}
	slices.Sort(hosts)
	return hosts
}

// lookup returns the IPv4 addresses of a name, or else the IPv6 ones, sorted.
func (o *outsideNames) lookup(ctx context.Context, host string) (list []netip.Addr, err error) {
	ctx, cancel := context.WithTimeout(ctx, outsideTimeout)
	defer cancel()
	for _, family := range []string{"ip4", "ip6"} {
		found, wrong := o.resolver.LookupNetIP(ctx, family, host)
		if list = usable(found); len(list) > 0 {
			return list, nil
		}
		if gone := (*net.DNSError)(nil); wrong != nil && !(errors.As(wrong, &gone) && gone.IsNotFound) {
			err = wrong
		}
	}
	return nil, err
}

// settle takes an answer over. Without one the last is still believed: what
// failed may be the resolver.
func (o *outsideNames) settle(host string, found []netip.Addr, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := o.names[host]
	if n == nil || err != nil && n.known || n.known && slices.Equal(n.addresses, found) {
		return
	}
	n.addresses, n.known = found, true
	wake(o.changed)
}

// usable leaves out what is this machine, as for backends of routes; the dial
// filter knows the rest.
func usable(found []netip.Addr) (list []netip.Addr) {
	for _, a := range found {
		if a = a.Unmap(); !a.IsLoopback() && !a.IsUnspecified() {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return slices.Compact(list)
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
