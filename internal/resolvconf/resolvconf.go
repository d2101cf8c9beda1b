// Package resolvconf turns the text of a resolv.conf(5) into name servers, a
// search list and options, and back. It resolves nothing, knows no cluster, and
// starts no goroutine.
package resolvconf

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
)

const (
	// maxSize bounds what is read of a file that is a few lines.
	maxSize = 64 << 10
	// maxResolvers is more than any C library asks.
	maxResolvers = 16
	port         = 53
)

// Config is what a resolv.conf says, as it is written there.
type Config struct{ Servers, Searches, Options []string }

// Read reads a file.
func Read(path string) (Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return Config{}, fmt.Errorf("read the machine's resolvers: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSize))
	if err != nil {
		return Config{}, fmt.Errorf("read the machine's resolvers: %w", err)
	}
	return Parse(string(text)), nil
}

// Parse reads the file as resolvers do: of several search lists the last
// counts, domain is a list of one, options add up, what it does not know is
// passed over.
func Parse(text string) (c Config) {
	for line := range strings.Lines(text) {
		if at := strings.IndexAny(line, "#;"); at >= 0 {
			line = line[:at]
		}
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		values := slices.DeleteFunc(f[1:], func(v string) bool { return !IsWord(v) })
		switch f[0] {
		case "nameserver":
			c.Servers = append(c.Servers, values[:min(1, len(values))]...)
		case "domain":
			c.Searches = values[:min(1, len(values))]
		case "search":
			c.Searches = values
		case "options":
			c.Options = append(c.Options, values...)
		}
	}
	return c
}

// IsWord says whether a value is one word of a configuration file: an object's
// value with a blank or a line end would become another setting.
func IsWord(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '#' || r == ';' })
}

// String is the text of the file.
func (c Config) String() string {
	var b strings.Builder
	for _, s := range c.Servers {
		fmt.Fprintf(&b, "nameserver %s\n", s)
	}
	if len(c.Searches) > 0 {
		fmt.Fprintf(&b, "search %s\n", strings.Join(c.Searches, " "))
	}
	if len(c.Options) > 0 {
		fmt.Fprintf(&b, "options %s\n", strings.Join(c.Options, " "))
	}
	return b.String()
}

// Equal says whether two say the same.
func (c Config) Equal(o Config) bool {
	return slices.Equal(c.Servers, o.Servers) && slices.Equal(c.Searches, o.Searches) && slices.Equal(c.Options, o.Options)
}

// Resolvers are the addresses to ask, each once. What is no address is left
// out.
func (c Config) Resolvers() (out []netip.AddrPort) {
	for _, s := range c.Servers {
		a, err := netip.ParseAddr(s)
		if err != nil || len(out) == maxResolvers {
			continue
		}
		if r := netip.AddrPortFrom(a.Unmap(), port); !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}
