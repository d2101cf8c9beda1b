package standalone

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"daemun/internal/store"
)

func TestPodHosts(t *testing.T) {
	t.Parallel()
	const own = "# Written by Daemun for this Pod.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n" +
		"fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n"
	for _, c := range []struct {
		name  string
		spec  corev1.PodSpec
		want  string
		wrong string
	}{
		{"plain", corev1.PodSpec{}, own + "127.244.0.1\tweb-0\n", ""},
		{"host name", corev1.PodSpec{Hostname: "db"}, own + "127.244.0.1\tdb\n", ""},
		{"subdomain", corev1.PodSpec{Hostname: "db", Subdomain: "dbs"}, own + "127.244.0.1\tdb.dbs.shop.svc.cluster.local db\n", ""},
		{
			"aliases",
			corev1.PodSpec{HostAliases: []corev1.HostAlias{{IP: "192.0.2.1", Hostnames: []string{"a", "b.example"}}, {IP: "2001:db8::1", Hostnames: []string{"c"}}, {IP: "192.0.2.2"}}},
			own + "127.244.0.1\tweb-0\n192.0.2.1\ta b.example\n2001:db8::1\tc\n", "",
		},
		{
			"no other lines through values",
			corev1.PodSpec{HostAliases: []corev1.HostAlias{{IP: "x", Hostnames: []string{"a"}}, {IP: "192.0.2.1", Hostnames: []string{"a\n192.0.2.2 b", "c"}}}},
			own + "127.244.0.1\tweb-0\n192.0.2.1\tc\n", "spec.hostAliases[0].ip spec.hostAliases[1].hostnames",
		},
		{"host network keeps the machine's", corev1.PodSpec{HostNetwork: true, HostAliases: []corev1.HostAlias{{IP: "192.0.2.1", Hostnames: []string{"a"}}}}, "127.0.0.1 localhost vm\n192.0.2.1\ta\n", ""},
	} {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-0"}, Spec: c.spec, Status: corev1.PodStatus{PodIP: "127.244.0.1"}}
		got, wrong := podHosts(pod, "cluster.local", "127.0.0.1 localhost vm\n")
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s:\n%s", c.name, diff)
		}
		if diff := cmp.Diff(c.wrong, fieldsOf(wrong)); diff != "" {
			t.Errorf("%s:\n%s", c.name, diff)
		}
	}
}

func TestHostname(t *testing.T) {
	t.Parallel()
	yes := true
	long := strings.Repeat("a", 62) + "-b"
	for _, c := range []struct {
		name string
		spec corev1.PodSpec
		want string
	}{
		{"web-0", corev1.PodSpec{}, "web-0"},
		{"web-0", corev1.PodSpec{Hostname: "db"}, "db"},
		{"web-0", corev1.PodSpec{HostNetwork: true}, ""},
		{long, corev1.PodSpec{}, strings.Repeat("a", 62)},
		{"web-0", corev1.PodSpec{Subdomain: "s", SetHostnameAsFQDN: &yes}, "web-0.s.shop.svc.cluster.local"},
		{"web-0", corev1.PodSpec{SetHostnameAsFQDN: &yes}, "web-0"},
		{strings.Repeat("a", 50), corev1.PodSpec{Subdomain: "s", SetHostnameAsFQDN: &yes}, strings.Repeat("a", 50)},
	} {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: c.name}, Spec: c.spec}
		if got, _ := kernelHostname(pod, "cluster.local"); got != c.want {
			t.Errorf("%+v: got %q, want %q", c, got, c.want)
		}
	}
}

func serviceView(services []*corev1.Service, slices ...*discoveryv1.EndpointSlice) *store.View {
	st := store.New()
	st.Update(func(tx *store.Tx) {
		for _, s := range services {
			tx.Put(s)
		}
		for _, s := range slices {
			tx.Put(s)
		}
	})
	return st.View()
}

func namedService(ns, name, ip string) *corev1.Service {
	return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}, Spec: corev1.ServiceSpec{ClusterIP: ip}}
}

func TestServiceHosts(t *testing.T) {
	t.Parallel()
	yes, no, host := true, false, "db-0"
	external := namedService("shop", "mail", "")
	external.Spec.Type, external.Spec.ExternalName = corev1.ServiceTypeExternalName, "mail.example"
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db-x", Labels: map[string]string{discoveryv1.LabelServiceName: "db"}},
		Endpoints: []discoveryv1.Endpoint{
			{Addresses: []string{"127.244.0.1"}, Hostname: &host, Conditions: discoveryv1.EndpointConditions{Ready: &yes}},
			{Addresses: []string{"127.244.0.2"}, Conditions: discoveryv1.EndpointConditions{Ready: &no}},
			{Addresses: []string{"127.244.0.3"}},
		},
	}
	v := serviceView([]*corev1.Service{
		namedService("default", "kubernetes", "127.96.0.1"), namedService("shop", "web", "127.96.1.1"), namedService("aaa", "web", "127.96.1.2"),
		namedService("shop", "db", corev1.ClusterIPNone), namedService("shop", "pending", ""), external,
	}, slice)
	got, leftOut := serviceHosts(v, "shop", "cluster.local")
	want := "127.244.0.1\tdb.shop.svc.cluster.local db.shop.svc db.shop db\n" +
		"127.244.0.1\tdb-0.db.shop.svc.cluster.local db-0.db.shop.svc db-0.db.shop db-0.db\n" +
		"127.244.0.3\tdb.shop.svc.cluster.local db.shop.svc db.shop db\n" +
		"127.96.1.1\tweb.shop.svc.cluster.local web.shop.svc web.shop web\n" +
		"127.96.1.2\tweb.aaa.svc.cluster.local web.aaa.svc web.aaa\n" +
		"127.96.0.1\tkubernetes.default.svc.cluster.local kubernetes.default.svc kubernetes.default\n"
	if diff := cmp.Diff(want, got); diff != "" || leftOut != 0 {
		t.Errorf("%d left out\n%s", leftOut, diff)
	}
}

func TestServiceHostsIsBounded(t *testing.T) {
	t.Parallel()
	var services []*corev1.Service
	for i := range maxServiceLines + 5 {
		services = append(services, namedService("other", fmt.Sprintf("s%d", i), "127.96.1.1"))
	}
	services = append(services, namedService("shop", "web", "127.96.1.1"), namedService("shop", "db", corev1.ClusterIPNone))
	slice := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db-x", Labels: map[string]string{discoveryv1.LabelServiceName: "db"}}}
	for i := range 100 {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{fmt.Sprintf("127.244.0.%d", i)}})
	}
	text, leftOut := serviceHosts(serviceView(services, slice), "shop", "cluster.local")
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) != maxServiceLines || !strings.Contains(lines[0], "db.shop") || leftOut != 5+1+maxHeadlessAddresses {
		t.Errorf("%d lines, the first %q, %d left out", len(lines), lines[0], leftOut)
	}
}

func TestPlainLookups(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"passwd: files\nhosts:          files dns\n", ""},
		{"passwd: files\nhosts: mymachines resolve [!UNAVAIL=return] files myhostname dns # x\nnetworks: files\n", "passwd: files\nhosts: files dns\nnetworks: files\n"},
		{"hosts: files mdns4_minimal [NOTFOUND=return] dns", "hosts: files dns\n"},
	} {
		got, changed := plainLookups(c.text)
		if changed != (c.want != "") || changed && got != c.want {
			t.Errorf("%q: got %q %v", c.text, got, changed)
		}
	}
}
