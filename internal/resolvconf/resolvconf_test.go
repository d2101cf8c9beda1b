package resolvconf

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", ""},
		{"comments", "# a\n; b\nnameserver 192.0.2.1 # c\nsearch d # e\n", "nameserver 192.0.2.1\nsearch d\n"},
		{"last search list counts", "search a b\ndomain c\nsearch d e\n", "search d e\n"},
		{"domain is a list of one", "domain c d\n", "search c\n"},
		{"options add up", "options ndots:2\n  options\trotate edns0\n", "options ndots:2 rotate edns0\n"},
		{"what is unknown or empty", "sortlist 1.2.3.4\nnameserver\nlookup file\n\n", ""},
		{"no line end, words of other kinds", "nameserver 192.0.2.1 trailing\r\nsearch \u00e4 b", "nameserver 192.0.2.1\nsearch b\n"},
	} {
		if diff := cmp.Diff(c.want, Parse(c.text).String()); diff != "" {
			t.Errorf("%s:\n%s", c.name, diff)
		}
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "resolv.conf")
	err := os.WriteFile(path, []byte("nameserver fe80::1%eth0 ; the router\nnameserver\t::ffff:192.0.2.54\nnameserver 192.0.2.54\nnameserver dns.example.com\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Read(path)
	if got := fmt.Sprint(c.Resolvers()); err != nil || got != "[[fe80::1%eth0]:53 192.0.2.54:53]" {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := Read(path + ".gone"); err == nil || !strings.Contains(err.Error(), "read the machine's resolvers") {
		t.Errorf("%v", err)
	}
}

// FuzzParse: what was read is read again from what is written.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch example.com .\n", "search a b\ndomain c\noptions x:1", "nameserver ::1%lo ; x\r\n", "#\x00\nnameserver\t\v1.1.1.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c := Parse(text)
		if again := Parse(c.String()); !again.Equal(c) {
			t.Errorf("%+v reads as %+v", c, again)
		}
		for _, r := range c.Resolvers() {
			if !r.IsValid() || r.Port() != port {
				t.Errorf("resolver %v", r)
			}
		}
	})
}
