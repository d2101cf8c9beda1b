package lab

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// groups say what a sample's function does; the first that matches counts.
// Everything of the kernel is there because of a system call or a packet.
var groups = []struct {
	name string
	of   *regexp.Regexp
}{
	{"kernel copies", regexp.MustCompile(`^\[k\] .*(copy_.*(user|iter)|rep_movs|csum_and_copy|copyin|copyout|memcpy)`)},
	{"kernel network", regexp.MustCompile(`^\[k\] .*(tcp|ip_|ipv4|inet|sock|skb|net_|netif|nf_|nft|dev_|loopback|eth_|process_backlog|release_sock|__kfree|qdisc)`)},
	{"kernel wait and scheduling", regexp.MustCompile(`^\[k\] .*(sched|epoll|ep_|futex|wake|wait|switch|idle|poll|nanosleep|rq_|update_)`)},
	{"kernel, other", regexp.MustCompile(`^\[k\] `)},
	{"crypto", regexp.MustCompile(`crypto|aes|gcm|sha\d|ecdsa|p256|nistec|mlkem|x25519|rsa\.|bigmod|chacha|poly1305|hkdf|hmac|edwards|asn1`)},
	{"system call entry", regexp.MustCompile(`[sS]yscall|runtime\.(entersys|exitsys|reentersys|casgstatus|futex|epoll)|vdso`)},
	{"copies", regexp.MustCompile(`runtime\.(memmove|memclr|typedmem|growslice)|memcpy|io\.copyBuffer`)},
	{"collector and allocation", regexp.MustCompile(`runtime\.(gc|malloc|scan|mark|sweep|greyobject|heapBits|\(\*m(heap|span|cache|central)|bgsweep|findObject|newobject|nextFree|wb|typePointers|bulkBarrier|deductAssist)`)},
	{"Go scheduler", regexp.MustCompile(`^\[\.\] (runtime|internal/runtime|sync|internal/poll|internal/sync)`)},
	{"Daemun", regexp.MustCompile(`^\[\.\] daemun/`)},
	{"Go libraries", regexp.MustCompile(`^\[\.\] [\w./]+\.`)},
}

// Share is a part of a profile.
type Share struct {
	Name    string
	Percent float64
}

// Profile says where a process spends its CPU time while load runs: by group,
// largest first, and the functions at the top. It needs perf and the right to
// use it.
func (l *Lab) Profile(pid int, load func() error) (byGroup, functions []Share, err error) {
	data := l.File("perf.data")
	record := exec.Command("perf", "record", "-q", "-e", "cpu-clock", "-F", "997", "-o", data, "-p", strings.Join(family(pid), ","))
	if err := record.Start(); err != nil {
		return nil, nil, err
	}
	failed := load()
	_ = record.Process.Signal(os.Interrupt)
	_ = record.Wait() // says that it was interrupted
	if failed != nil {
		return nil, nil, failed
	}
	out, err := exec.Command("perf", "report", "-i", data, "--stdio", "-q", "--sort", "sym", "--percent-limit", "0.05").Output()
	if err != nil {
		return nil, nil, fmt.Errorf("perf report: %w", err)
	}
	byGroup, functions = parseProfile(string(out))
	if len(byGroup) == 0 {
		return nil, nil, fmt.Errorf("perf has no samples of process %d", pid)
	}
	return byGroup, functions, nil
}

func parseProfile(report string) (byGroup, functions []Share) {
	sums := map[string]float64{}
	for _, m := range regexp.MustCompile(`(?m)^\s*([\d.]+)%\s+(\[[.k]\] .+?)\s*$`).FindAllStringSubmatch(report, -1) {
		percent, _ := strconv.ParseFloat(m[1], 64)
		sums[groupOf(m[2])] += percent
		functions = append(functions, Share{m[2][4:], percent})
	}
	for name, percent := range sums {
		byGroup = append(byGroup, Share{name, percent})
	}
	descending := func(a, b Share) int { return cmp.Or(cmp.Compare(b.Percent, a.Percent), cmp.Compare(a.Name, b.Name)) }
	slices.SortFunc(byGroup, descending)
	slices.SortFunc(functions, descending)
	return byGroup, functions
}

func groupOf(function string) string {
	for _, g := range groups {
		if g.of.MatchString(function) {
			return g.name
		}
	}
	return "other"
}
