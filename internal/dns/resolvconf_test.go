package dns

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSystemResolvers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "resolv.conf")
	err := os.WriteFile(path, []byte(`# made by hand
nameserver 192.0.2.53
nameserver fe80::1%eth0 ; the router
  nameserver	::ffff:192.0.2.54
nameserver 192.0.2.53
nameserver dns.example.com
nameserver
domain first.example.com
search a_b.example.com . example.com
options ndots:2 rotate
options timeout:1
sortlist 10.0.0.0
`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	servers, search, options, err := SystemResolvers(path)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range servers {
		got = append(got, s.String())
	}
	got = append(append(got, search...), options...)
	want := []string{"192.0.2.53:53", "[fe80::1%eth0]:53", "192.0.2.54:53", "a_b.example.com", ".", "example.com", "ndots:2", "rotate", "timeout:1"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if _, _, _, err := SystemResolvers(path + ".gone"); err == nil || !strings.Contains(err.Error(), "read the machine's resolvers") {
		t.Errorf("%v", err)
	}
}

func FuzzResolvConf(f *testing.F) {
	for _, s := range []string{"", "nameserver 1.2.3.4\n", "search a b\ndomain c\noptions x:1", "nameserver ::1%lo ; x\r\n", "#\x00\nnameserver\t\v1.1.1.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		servers, search, options := parseResolvConf(text)
		if len(servers) > maxResolvers {
			t.Errorf("%d servers", len(servers))
		}
		var b strings.Builder
		for _, s := range servers {
			if !s.IsValid() || s.Port() != resolverPort {
				t.Errorf("server %v", s)
			}
			b.WriteString("nameserver " + s.Addr().String() + "\n")
		}
		b.WriteString("search " + strings.Join(search, " ") + "\noptions " + strings.Join(options, " ") + "\n")
		// What was read is read again from what is written.
		servers2, search2, options2 := parseResolvConf(b.String())
		if d := cmp.Diff([]any{servers, search, options}, []any{servers2, search2, options2}, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); d != "" {
			t.Error(d)
		}
	})
}
