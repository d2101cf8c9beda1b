package standalone

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
)

// Networks are the address ranges of one standalone cluster. A zero one is
// chosen by Reserve.
type Networks struct {
	Pods, Services, Nodes, LoadBalancers netip.Prefix
}

// Reservation holds Networks against every other Daemun of this machine (more
// exactly: of this network namespace, as addresses are) until Close, or until
// the process ends in whatever way.
type Reservation struct {
	Networks
	// Moved says in one line which networks are not the usual ones, because
	// another Daemun has those; empty when none moved.
	Moved string

	held []net.PacketConn
}

// Close gives the networks back.
func (r *Reservation) Close() {
	for _, c := range r.held {
		_ = c.Close() // nothing was sent
	}
	r.held = nil
}

// reservationPort is the UDP port whose socket, on the network address of a
// range (which no Pod or Service gets), is the reservation. Nothing is ever
// sent to it.
const reservationPort = 10244

// networkChoice is one of the four ranges.
type networkChoice struct {
	name, flag string
	at         *netip.Prefix
	first      byte // second octet of the usual network 127.first.0.0/16
	last       byte // of the last one to fall back to
	// must says that addresses which are not on this machine are an error:
	// programs listen there.
	must bool
	// least is how many addresses are needed.
	least uint64
}

func (n *Networks) choices() []networkChoice {
	return []networkChoice{
		{name: "Pods", flag: "--pod-network", at: &n.Pods, first: 244, last: 254, must: true, least: 1},
		{name: "Services", flag: "--service-network", at: &n.Services, first: 96, last: 127, least: dnsIndex + 1},
		{name: "nodes", flag: "--node-network", at: &n.Nodes, first: 18, last: 49, least: 1},
		{name: "load balancers", flag: "--load-balancer-network", at: &n.LoadBalancers, first: 200, last: 231, least: 1},
	}
}

// Reserve takes the networks for this process. A network that was chosen is
// taken or is an error that says what to do; one that was not is the usual one,
// or the next that is free.
func (n Networks) Reserve() (*Reservation, error) {
	r := &Reservation{Networks: n}
	var moved []string
	for _, c := range r.choices() {
		elsewhere, err := r.reserve(c)
		if err != nil {
			r.Close()
			return nil, err
		}
		if elsewhere {
			moved = append(moved, fmt.Sprintf("%s use %s", c.name, c.at))
		}
	}
	if len(moved) > 0 {
		r.Moved = "another Daemun runs on this machine; here " + strings.Join(moved, ", ")
	}
	return r, nil
}

func (r *Reservation) reserve(c networkChoice) (elsewhere bool, err error) {
	if c.at.IsValid() {
		if other := r.overlapping(*c.at, c); other != nil {
			return false, fmt.Errorf("%s %s and %s %s overlap: choose networks that have no address in common", c.flag, c.at, other.flag, other.at)
		}
		return false, r.take(*c.at, c)
	}
	for second := c.first; second <= c.last; second++ {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{127, second}), 16)
		if r.overlapping(p, c) != nil {
			continue
		}
		switch err := r.take(p, c); {
		case err == nil:
			*c.at = p
			return elsewhere, nil
		case !errors.Is(err, syscall.EADDRINUSE):
			return false, err
		}
		elsewhere = true
	}
	return false, fmt.Errorf("all networks for %s from 127.%d.0.0/16 to 127.%d.0.0/16 are in use by other Daemuns: stop one, or choose another network with %s", c.name, c.first, c.last, c.flag)
}

// overlapping is another network, chosen or reserved, that has addresses of p.
func (r *Reservation) overlapping(p netip.Prefix, c networkChoice) *networkChoice {
	for _, other := range r.choices() {
		if other.flag != c.flag && other.at.IsValid() && other.at.Overlaps(p) {
			return &other
		}
	}
	return nil
}

// take reserves one network.
func (r *Reservation) take(p netip.Prefix, c networkChoice) error {
	p = p.Masked()
	switch size := newAddressRange(p).size; {
	case size == 0:
		return fmt.Errorf("%s %s has no room for addresses: want an IPv4 network such as 127.%d.0.0/16", c.flag, p, c.first)
	case size < c.least:
		return fmt.Errorf("%s %s has room for %d addresses: want at least %d, as in 127.%d.0.0/16", c.flag, p, size, c.least, c.first)
	}
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.Addr(), reservationPort)))
	switch {
	case err == nil:
		r.held = append(r.held, conn)
		return nil
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("another Daemun on this machine uses %s %s: choose another network, or leave the flag out to get a free one (%w)", c.flag, p, syscall.EADDRINUSE)
	case !c.must:
		return nil // not on this machine, so that nobody can collide there
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("the addresses of %s %s are not on this machine: choose a network of 127.0.0.0/8, or add it with: ip route add local %s dev lo", c.flag, p, p)
	}
	return fmt.Errorf("%s %s: %w", c.flag, p, err)
}
