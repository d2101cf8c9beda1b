package main

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"daemun/internal/ir"
)

// endpoints is how many a headless Service has.
const endpoints = 40

func isHeadless(i int) bool { return i%10 == 9 }

func namespaceOf(i int) string { return fmt.Sprintf("team-%02d", i%50) }

func nameOf(i int) string { return fmt.Sprintf("service-%04d", i) }

func dottedName(i int) string { return nameOf(i) + "." + namespaceOf(i) + ".svc.cluster.local" }

func address(net byte, i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, net + byte(i>>16), byte(i >> 8), byte(i)})
}

// network is what all servers serve.
func network(services int) *ir.Network {
	n := &ir.Network{Revision: 1}
	for i := range services {
		s := &ir.Service{Namespace: namespaceOf(i), Name: nameOf(i), Ports: []ir.ServicePort{{Name: "http", Transport: ir.TCP, Port: 80}}}
		if !isHeadless(i) {
			s.ClusterIPs = []netip.Addr{address(96, i+1)}
			n.Services = append(n.Services, s)
			continue
		}
		s.Headless = true
		for j := range endpoints {
			s.Endpoints = append(s.Endpoints, ir.ServiceEndpoint{
				Addr: address(128, i*endpoints+j), Hostname: fmt.Sprintf("pod-%d", j), Ports: []uint16{8080}, Ready: true,
			})
		}
		n.Services = append(n.Services, s)
	}
	slices.SortFunc(n.Services, func(a, b *ir.Service) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	for i := range min(services, 50) {
		n.Namespaces = append(n.Namespaces, namespaceOf(i))
	}
	return n
}

// records are the same ones as lines of a zone file.
func records(services int) []string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for i := range services {
		name := dottedName(i)
		if !isHeadless(i) {
			add("%s. 5 IN A %s", name, address(96, i+1))
			add("_http._tcp.%s. 5 IN SRV 0 100 80 %s.", name, name)
			continue
		}
		for j := range endpoints {
			host := fmt.Sprintf("pod-%d.%s", j, name)
			a := address(128, i*endpoints+j)
			add("%s. 5 IN A %s", name, a)
			add("%s. 5 IN A %s", host, a)
			add("_http._tcp.%s. 5 IN SRV 0 2 8080 %s.", name, host)
		}
	}
	return lines
}

// The questions are spread over all Services in an order that caches do not
// like.

func scattered(services int, format string, want func(int) bool) []string {
	var list []string
	const stride = 1009 // a prime
	for k := range services {
		if i := k * stride % services; want(i) {
			list = append(list, fmt.Sprintf(format, dottedName(i)))
		}
	}
	return list
}

func isClusterIP(i int) bool { return !isHeadless(i) }

func clusterIPs(n int) []string { return scattered(n, "%s A", isClusterIP) }

func servers(n int) []string { return scattered(n, "_http._tcp.%s SRV", isClusterIP) }

func headless(n int) []string { return scattered(n, "%s A", isHeadless) }

func searchWalk(n int) []string {
	return scattered(n, "www.example.com.%s A", isClusterIP)
}
