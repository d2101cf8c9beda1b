package dns

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
)

const (
	resolverPort = 53
	// maxResolvConf bounds what is read of a file that is a few lines.
	maxResolvConf = 64 << 10
	maxResolvers  = 16
)

// SystemResolvers reads a resolv.conf(5): the resolvers of the machine, its
// search list and its options as they are written there.
func SystemResolvers(path string) (servers []netip.AddrPort, search, options []string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("read the machine's resolvers: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxResolvConf))
	if err != nil {
		return nil, nil, nil, fmt.Errorf("read the machine's resolvers: %w", err)
	}
	servers, search, options = parseResolvConf(string(text))
	return servers, search, options, nil
}

// parseResolvConf reads what it understands and skips the rest, as resolvers
// do. The last search or domain line counts, options add up.
func parseResolvConf(text string) (servers []netip.AddrPort, search, options []string) {
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, maxResolvConf+1)
	for lines.Scan() {
		line := lines.Text()
		if i := strings.IndexAny(line, "#;"); i >= 0 {
			line = line[:i]
		}
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		switch words[0] {
		case "nameserver":
			a, err := netip.ParseAddr(words[1])
			if err != nil || len(servers) == maxResolvers {
				continue
			}
			if s := netip.AddrPortFrom(a.Unmap(), resolverPort); !slices.Contains(servers, s) {
				servers = append(servers, s)
			}
		case "domain":
			search = words[1:2]
		case "search":
			search = words[1:]
		case "options":
			options = append(options, words[1:]...)
		}
	}
	return servers, search, options
}
