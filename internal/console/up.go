package console

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"

	"daemun/internal/admin"
	"daemun/internal/ir"
	"daemun/internal/store"
)

// Up is the terminal of `daemun up`: problems, the first screen, then the
// merged logs of all containers. It is safe for concurrent use.
type Up struct {
	quiet  bool
	colour bool

	mu    sync.Mutex // keeps lines whole
	w     io.Writer
	width int // of the widest Pod name so far
	// progress has a line of a terminal, which is taken away before another one.
	progress *Progress
}

// NewUp returns a terminal on w. Quiet leaves out everything but problems.
// Colours appear only on a terminal, not with NO_COLOR set and not on a dumb one.
func NewUp(w io.Writer, quiet bool) *Up {
	f, ok := w.(*os.File)
	colour := ok && os.Getenv("NO_COLOR") == "" && movable(f)
	return &Up{quiet: quiet, colour: colour, w: w, progress: NewProgress(w)}
}

// Say prints one line to the user.
func (u *Up) Say(text string) {
	if u.quiet {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.progress.End()
	fmt.Fprintln(u.w, "daemun: "+text)
}

// Starting says how many of the Pods are ready while they start.
func (u *Up) Starting(ready, all int) {
	if u.quiet || all == 0 {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.progress.Count("Pods ready:", ready, all)
}

// Problems prints problems that appeared and those that went.
func (u *Up) Problems(added, gone []ir.Problem) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.progress.End()
	for _, p := range added {
		if u.quiet && p.Severity == ir.SeverityNotice {
			continue
		}
		fmt.Fprintf(u.w, "daemun: %s: %s\n", u.paint(severityColour(p.Severity), string(p.Severity)), p)
	}
	for _, p := range gone {
		if !u.quiet && p.Severity != ir.SeverityNotice {
			fmt.Fprintf(u.w, "daemun: %s: %s\n", u.paint(green, "solved"), p)
		}
	}
}

// Output prints one line of a container's output behind the name of its Pod,
// and of the container unless that is empty.
func (u *Up) Output(pod store.Name, container string, line []byte) {
	if u.quiet {
		return
	}
	name := pod.Name
	if container != "" {
		name += "/" + container
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.progress.End()
	u.width = max(u.width, len(name))
	fmt.Fprintf(u.w, "%s │ %s\n", u.paint(podColour(pod.Name), fmt.Sprintf("%-*s", u.width, name)), line)
}

// maxURLs is how many the first screen lists, so that it stays one screen.
const maxURLs = 30

// URLs is what the first screen shows.
type URLs struct {
	Config *ir.Config
	// Network lists the Services; nil is none.
	Network *ir.Network
	// HTTP, HTTPS and Admin are the bound addresses, "host:port".
	HTTP, HTTPS, DNS, Admin string
	// Zone is the domain of the names of Services.
	Zone string
	// Pods is a line about the Pods ("3 Pods ready").
	Pods string
}

// URLs prints the table of URLs and how to try the first of them.
func (u *Up) URLs(s URLs) {
	if u.quiet {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.progress.End()
	fmt.Fprintf(u.w, "\ndaemun is up: %s\n\n", s.Pods)
	first, rows := u.ingresses(s)
	list := listed(s.Network)
	if rows > 0 && len(list) > 0 {
		fmt.Fprintln(u.w)
	}
	u.services(list)
	if rows+len(list) == 0 {
		fmt.Fprintln(u.w, "  No Ingress has a URL yet, and there is no Service.")
	}
	fmt.Fprintln(u.w)
	if first != "" {
		fmt.Fprintf(u.w, "  try      %s\n", first)
	}
	if s.DNS != "" {
		host, port, _ := net.SplitHostPort(s.DNS)
		fmt.Fprintf(u.w, "  names    dig @%s -p %s NAME.NAMESPACE.svc.%s\n", host, port, s.Zone)
	}
	look := "routes"
	if rows == 0 && len(list) > 0 {
		look = "services"
	}
	if s.Admin != admin.DefaultAddress { // the commands would ask another one, or nobody
		fmt.Fprintf(u.w, "  before   export DAEMUN_ADMIN_ADDRESS=%s\n", s.Admin)
	}
	fmt.Fprintf(u.w, "  look     daemun get %s -A · daemun get pods -A · daemun explain URL   (admin address http://%s)\n  stop     Ctrl-C\n\n", look, s.Admin)
}

// ingresses prints the URLs and returns how to try the first of them.
func (u *Up) ingresses(s URLs) (first string, rows int) {
	tw := tabwriter.NewWriter(u.w, 0, 8, 3, ' ', 0)
	fmt.Fprintln(tw, "  URL\tGOES TO\tINGRESS")
	for _, h := range s.Config.Hosts {
		for i, r := range h.Routes {
			if r.Ingress.Name == "" || r.Implicit && r.Backend == "" || r.Redirect != nil && r.Redirect.AppendSlash || twin(h, i) {
				continue
			}
			scheme, addr := "http", s.HTTP
			if h.TLSRedirect && r.SSLRedirect {
				scheme, addr = "https", s.HTTPS
			}
			link := link(scheme, h.Name, addr, r)
			rows++
			if first == "" && h.Name != "" && !strings.HasPrefix(h.Name, "*") {
				first = curl(scheme, h.Name, addr, link)
			}
			if rows <= maxURLs {
				fmt.Fprintf(tw, "  %s\t%s\t%s/%s\n", link, destination(r), r.Ingress.Namespace, r.Ingress.Name)
			}
		}
	}
	if rows > 0 {
		_ = tw.Flush() // the only error is that of the terminal itself
	}
	if rows > maxURLs {
		fmt.Fprintf(u.w, "  … and %d more: daemun get routes -A\n", rows-maxURLs)
	}
	return first, rows
}

// maxServices is how many the first screen lists, maxServiceAddresses of each
// how many addresses.
const maxServices, maxServiceAddresses = 15, 6

// listed are the Services of the user; those of the cluster itself are left
// out.
func listed(n *ir.Network) (list []*ir.Service) {
	if n == nil {
		return nil
	}
	for _, s := range n.Services {
		if !s.Unproxied && (s.Namespace != "default" || s.Name != "kubernetes") {
			list = append(list, s)
		}
	}
	return list
}

// services prints where Services are reached.
func (u *Up) services(list []*ir.Service) {
	if len(list) == 0 {
		return
	}
	tw := tabwriter.NewWriter(u.w, 0, 8, 3, ' ', 0)
	fmt.Fprintln(tw, "  SERVICE\tADDRESS")
	for _, s := range list[:min(len(list), maxServices)] {
		fmt.Fprintf(tw, "  %s/%s\t%s\n", s.Namespace, s.Name, serviceAddresses(s))
	}
	_ = tw.Flush() // the only error is that of the terminal itself
	if len(list) > maxServices {
		fmt.Fprintf(u.w, "  … and %d more: daemun get services -A\n", len(list)-maxServices)
	}
}

// serviceAddresses is where a Service is reached, in one line.
func serviceAddresses(s *ir.Service) string {
	switch {
	case s.ExternalName != "":
		return "alias of " + s.ExternalName
	case s.Headless:
		return "headless"
	}
	var list []string
	for _, p := range s.Ports {
		for _, a := range slices.Concat(s.ClusterIPs, s.ExternalIPs, s.LoadBalancerIPs) {
			list = append(list, netip.AddrPortFrom(a, p.Port).String()+suffix(p.Transport))
		}
		if p.NodePort != 0 {
			list = append(list, fmt.Sprintf("node port %d%s", p.NodePort, suffix(p.Transport)))
		}
	}
	more := ""
	switch n := len(list) - maxServiceAddresses; {
	case len(list) == 0:
		return "none"
	case n > 0:
		list, more = list[:maxServiceAddresses], fmt.Sprintf(" and %d more", n)
	}
	return strings.Join(list, ", ") + more
}

func suffix(t ir.Transport) string {
	if t == ir.UDP {
		return "/UDP"
	}
	return ""
}

func link(scheme, host, addr string, r *ir.Route) string {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if host == "" {
		host = strings.TrimSuffix(addr, ":"+port)
	}
	return scheme + "://" + host + ":" + port + literal(r)
}

// literal is the path of a route as a browser can ask for it: an expression is
// cut where it stops being plain text.
func literal(r *ir.Route) string {
	if r.Match != ir.MatchRegex {
		return r.Path
	}
	at := strings.IndexAny(r.Path, `()[]{}|*+?^$\`)
	if at < 0 {
		return r.Path
	}
	if at > 1 && strings.IndexByte("*?{", r.Path[at]) >= 0 {
		at-- // the character before may be absent
	}
	return r.Path[:max(at, 1)]
}

// twin says that the route before comes from the same path of the same Ingress:
// regular expressions make two locations of one path (ingress-nginx §2.3).
func twin(h *ir.Host, i int) bool {
	if i == 0 {
		return false
	}
	a, b := h.Routes[i-1], h.Routes[i]
	return b.Match == ir.MatchRegex && a.Ingress == b.Ingress && a.Path == b.Path && a.PathType == b.PathType && !a.Implicit && !b.Implicit
}

func curl(scheme, host, addr, link string) string {
	ip, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "curl " + link
	}
	insecure := ""
	if scheme == "https" {
		insecure = "-k "
	}
	return fmt.Sprintf("curl %s--resolve %s:%s:%s '%s'", insecure, host, port, ip, link)
}

func destination(r *ir.Route) string {
	switch {
	case r.Denied != 0:
		return fmt.Sprintf("denied with %d, see problems", r.Denied)
	case r.Redirect != nil:
		return fmt.Sprintf("redirect %d %s", r.Redirect.Code, r.Redirect.Location)
	}
	return "service " + r.Service + ":" + r.ServicePort
}

// The colours, as SGR codes.
const (
	red     = 31
	green   = 32
	yellow  = 33
	neutral = 0
)

func severityColour(s ir.Severity) int {
	switch s {
	case ir.SeverityError:
		return red
	case ir.SeverityWarning:
		return yellow
	}
	return neutral
}

// podColour gives each Pod one of six colours that are readable on light and
// dark ground.
func podColour(name string) int {
	sum := 0
	for _, b := range []byte(name) {
		sum += int(b)
	}
	return red + sum%6
}

func (u *Up) paint(colour int, text string) string {
	if !u.colour {
		return text
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", colour, text)
}
