package standalone

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"daemun/internal/resolvconf"
)

func TestPodResolvConf(t *testing.T) {
	t.Parallel()
	const (
		machine = "nameserver 192.0.2.1\nsearch corp.example\noptions edns0 rotate\n"
		cluster = "nameserver 127.96.0.10\nsearch shop.svc.cluster.local svc.cluster.local cluster.local corp.example\noptions ndots:5\n"
	)
	two := "2"
	config := &corev1.PodDNSConfig{
		Nameservers: []string{"192.0.2.9", "127.96.0.10"}, Searches: []string{"_x.example", "corp.example"},
		Options: []corev1.PodDNSConfigOption{{Name: "ndots", Value: &two}, {Name: "rotate"}},
	}
	for _, c := range []struct {
		name   string
		spec   corev1.PodSpec
		server string
		want   string
		wrong  string // fields
	}{
		{"ClusterFirst by default", corev1.PodSpec{}, "127.96.0.10", cluster, ""},
		{"ClusterFirst", corev1.PodSpec{DNSPolicy: corev1.DNSClusterFirst}, "127.96.0.10", cluster, ""},
		{"ClusterFirst without a server", corev1.PodSpec{}, "", machine, ""},
		{"ClusterFirst, host network", corev1.PodSpec{HostNetwork: true}, "127.96.0.10", machine, ""},
		{"ClusterFirstWithHostNet", corev1.PodSpec{HostNetwork: true, DNSPolicy: corev1.DNSClusterFirstWithHostNet}, "127.96.0.10", cluster, ""},
		{"Default", corev1.PodSpec{DNSPolicy: corev1.DNSDefault}, "127.96.0.10", machine, ""},
		{"None", corev1.PodSpec{DNSPolicy: corev1.DNSNone, DNSConfig: config}, "127.96.0.10", "nameserver 192.0.2.9\nnameserver 127.96.0.10\nsearch _x.example corp.example\noptions ndots:2 rotate\n", ""},
		{"None without anything", corev1.PodSpec{DNSPolicy: corev1.DNSNone}, "127.96.0.10", "", "spec.dnsConfig.nameservers"},
		{
			"ClusterFirst, merged",
			corev1.PodSpec{DNSConfig: config},
			"127.96.0.10",
			"nameserver 127.96.0.10\nnameserver 192.0.2.9\nsearch shop.svc.cluster.local svc.cluster.local cluster.local corp.example _x.example\noptions ndots:2 rotate\n", "",
		},
		{"Default, merged", corev1.PodSpec{DNSPolicy: corev1.DNSDefault, DNSConfig: &corev1.PodDNSConfig{Searches: []string{"."}}}, "127.96.0.10", "nameserver 192.0.2.1\nsearch corp.example .\noptions edns0 rotate\n", ""},
		{
			"four name servers",
			corev1.PodSpec{DNSConfig: &corev1.PodDNSConfig{Nameservers: []string{"192.0.2.2", "2001:db8::1", "192.0.2.4"}}},
			"127.96.0.10",
			"nameserver 127.96.0.10\nnameserver 192.0.2.2\nnameserver 2001:db8::1\n" + cluster[len("nameserver 127.96.0.10\n"):], "spec.dnsConfig.nameservers",
		},
		{
			"no other settings through values",
			corev1.PodSpec{DNSConfig: &corev1.PodDNSConfig{
				Nameservers: []string{"dns.example", "fe80::1%x\nnameserver 1.1.1.1"}, Searches: []string{"a\nnameserver 1.1.1.1", ""}, Options: []corev1.PodDNSConfigOption{{Name: "a b"}, {}},
			}},
			"127.96.0.10", cluster,
			"spec.dnsConfig.nameservers[0] spec.dnsConfig.nameservers[1] spec.dnsConfig.searches[0] spec.dnsConfig.searches[1] spec.dnsConfig.options[0] spec.dnsConfig.options[1]",
		},
	} {
		pod := &corev1.Pod{Spec: c.spec}
		pod.Namespace = "shop"
		got, wrong := podResolvConf(pod, "cluster.local", c.server, resolvconf.Parse(machine))
		if diff := cmp.Diff(c.want, got.String()); diff != "" {
			t.Errorf("%s:\n%s", c.name, diff)
		}
		if diff := cmp.Diff(c.wrong, fieldsOf(wrong)); diff != "" {
			t.Errorf("%s:\n%s", c.name, diff)
		}
	}
}

func fieldsOf(list []forming) string {
	var fields []string
	for _, f := range list {
		fields = append(fields, f.field)
	}
	return strings.Join(fields, " ")
}

func TestSearchListBounds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		count int
		width int
		used  int
	}{
		{"32 domains", 29, 10, 32},
		{"33 domains", 30, 10, 32},
		{"under 2048 characters", 6, 300, 3 + 6},
		{"over 2048 characters", 7, 300, 3 + 6},
	} {
		var more []string
		for i := range c.count {
			more = append(more, fmt.Sprintf("%0*d", c.width, i))
		}
		pod := &corev1.Pod{Spec: corev1.PodSpec{DNSConfig: &corev1.PodDNSConfig{Searches: more}}}
		pod.Namespace = "shop"
		r, wrong := podResolvConf(pod, "cluster.local", "127.96.0.10", resolvconf.Config{})
		if len(r.Searches) != c.used || len(strings.Join(r.Searches, " ")) > maxSearchLength || (len(wrong) > 0) != (c.used < 3+c.count) {
			t.Errorf("%s: %d used with %d characters, problems %v", c.name, len(r.Searches), len(strings.Join(r.Searches, " ")), wrong)
		}
	}
	// Exactly at the bound, and one over it.
	full := resolvconf.Config{Searches: []string{strings.Repeat("a", 1000), strings.Repeat("b", 1047)}}
	if r, wrong := fit(full); len(r.Searches) != 2 || wrong != nil {
		t.Errorf("%d used, %v", len(r.Searches), wrong)
	}
	full.Searches[1] += "b"
	if r, wrong := fit(full); len(r.Searches) != 1 || len(wrong) != 1 {
		t.Errorf("%d used, %v", len(r.Searches), wrong)
	}
}
