package standalone

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"daemun/internal/ir"
	"daemun/internal/process"
	"daemun/internal/resolvconf"
)

// DNS says where Pods ask for names. The zero value is a cluster without name
// server.
type DNS struct {
	// Zone is the domain of the cluster; empty is cluster.local.
	Zone string
	// Server answers on port 53, the only one that a resolv.conf can name. When
	// it is invalid nobody does; the names of Services then stand in the
	// /etc/hosts of Pods. See DNSAddress.
	Server netip.Addr
	// Fallback answers as well, on any port; programs find it in DAEMUN_DNS. The
	// unspecified address is told as loopback.
	Fallback netip.AddrPort
	// Machine is the folder of this machine's own resolv.conf, hosts and
	// nsswitch.conf; empty is /etc.
	Machine string
}

// DefaultZone is the domain of the names of Services.
const DefaultZone = "cluster.local"

// maxMachineFile bounds what is read of a file of the machine.
const maxMachineFile = 1 << 20

// machineFile is the text of one of the machine's files, empty if it cannot be
// read: there may be none.
func (d DNS) machineFile(name string) string {
	f, err := os.Open(filepath.Join(cmp.Or(d.Machine, "/etc"), name))
	if err != nil {
		return ""
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxMachineFile))
	if err != nil {
		return ""
	}
	return string(text)
}

// podNames is how the programs of a Pod get their names. It is made before the
// first container starts and not changed afterwards.
type podNames struct {
	mounts   []process.Mount // over the machine's files
	hostname string
	variables
	hosts string // the Pod's own part of /etc/hosts
	// services says that the names of Services follow in /etc/hosts.
	services bool
}

// variables are set unless the manifest sets them.
type variables [][2]string

func (v variables) setIn(env *environment) {
	for _, nv := range v {
		if _, ok := env.get(nv[0]); !ok {
			env.set(nv[0], nv[1])
		}
	}
}

// prepareNames makes the files that the Pod's programs see. What cannot be made
// is a notice: programs that need no names run without.
func (w *worker) prepareNames() {
	dns := w.host.cfg.DNS
	if dns.Fallback.IsValid() {
		w.names.variables = variables{{"DAEMUN_DNS", reachable(dns.Fallback).String()}}
	}
	mounts, reason := w.host.rt.Mounts()
	node := resolvconf.Parse(dns.machineFile("resolv.conf"))
	server := ""
	switch {
	case mounts && dns.Server.IsValid():
		server = dns.Server.String()
	case !mounts && dns.Fallback.IsValid():
		server = dns.Fallback.Addr().String()
	}
	resolver, wrong := podResolvConf(w.pod, dns.Zone, server, node)
	hosts, wrongHosts := podHosts(w.pod, dns.Zone, dns.machineFile("hosts"))
	hostname, wrongName := kernelHostname(w.pod, dns.Zone)
	w.misformed(wrong, wrongHosts, wrongName)
	if !mounts {
		w.names.searchBy(resolver, node)
		text := "containers see this machine's own resolv.conf, hosts and host name (" + reason + ")"
		if dns.Fallback.IsValid() {
			text += ": names of Services are found by programs that ask the server in $DAEMUN_DNS; LOCALDOMAIN and RES_OPTIONS hold the search list"
		}
		w.noticeNames("machine", text)
		return
	}
	w.names.hostname, w.names.hosts = hostname, hosts
	w.names.services = asksCluster(&w.pod.Spec) && !dns.Server.IsValid()
	if err := w.makeNameFiles(resolver, node); err != nil {
		w.noticeNames("files", "files for the names in containers cannot be made: "+err.Error())
	}
}

// reachable is where a program on this machine finds a listener.
func reachable(a netip.AddrPort) netip.AddrPort {
	switch a.Addr() {
	case netip.IPv4Unspecified():
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), a.Port())
	case netip.IPv6Unspecified():
		return netip.AddrPortFrom(netip.IPv6Loopback(), a.Port())
	}
	return a
}

// searchBy puts into variables what a C library takes from there: all but the
// name servers.
func (n *podNames) searchBy(r, node resolvconf.Config) {
	if len(r.Searches) > 0 && !r.Equal(node) {
		n.variables = append(n.variables, [2]string{"LOCALDOMAIN", strings.Join(r.Searches, " ")})
	}
	if len(r.Options) > 0 && !r.Equal(node) {
		n.variables = append(n.variables, [2]string{"RES_OPTIONS", strings.Join(r.Options, " ")})
	}
}

// makeNameFiles writes the files that differ from the machine's and mounts them.
func (w *worker) makeNameFiles(resolver, node resolvconf.Config) error {
	n, dns := &w.names, w.host.cfg.DNS
	dir := filepath.Join(w.folder(), "etc")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	show := func(name, text string) error {
		path := filepath.Join(dir, name)
		if err := rewrite(path, text); err != nil {
			return err
		}
		n.mounts = append(n.mounts, process.Mount{Source: path, Target: "/etc/" + name})
		return nil
	}
	if !resolver.Equal(node) {
		if err := show("resolv.conf", "# Written by Daemun for this Pod.\n"+resolver.String()); err != nil {
			return err
		}
	}
	spec := &w.pod.Spec
	if !spec.HostNetwork || len(spec.HostAliases) > 0 || n.services {
		if err := show("hosts", w.hostsNow()); err != nil {
			return err
		}
	}
	if len(n.mounts) == 0 {
		return nil
	}
	if text, changed := plainLookups(dns.machineFile("nsswitch.conf")); changed {
		if err := show("nsswitch.conf", text); err != nil {
			return err
		}
	}
	return n.hideCache(filepath.Join(dir, "none"))
}

// hideCache takes the machine's name cache out of the view: it answers by the
// machine's resolv.conf and hosts.
func (n *podNames) hideCache(empty string) error {
	const cache = "/run/nscd"
	if _, err := os.Stat(cache + "/socket"); err != nil {
		return nil
	}
	if err := os.Mkdir(empty, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	n.mounts = append(n.mounts, process.Mount{Source: empty, Target: cache, ReadOnly: true})
	return nil
}

// plainLookups makes a nsswitch.conf look host names up in the files that a
// container sees and nowhere else: services such as systemd-resolved answer
// for the machine. changed is false if it does that already.
func plainLookups(text string) (out string, changed bool) {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "hosts:"); ok {
			rest, _, _ = strings.Cut(rest, "#")
			if f := strings.Fields(rest); len(f) != 2 || f[0] != "files" || f[1] != "dns" {
				changed = true
				line = "hosts: files dns\n"
			}
		}
		b.WriteString(line)
	}
	return b.String(), changed
}

// hostsNow is the Pod's /etc/hosts as of the view.
func (w *worker) hostsNow() string {
	if !w.names.services {
		return w.names.hosts
	}
	text, leftOut := serviceHosts(w.host.view(), w.pod.Namespace, w.host.cfg.DNS.Zone)
	notice := ""
	if leftOut > 0 {
		notice = fmt.Sprintf("%d Services are left out of /etc/hosts, which takes %d addresses; ask the server in $DAEMUN_DNS for them", leftOut, maxServiceLines)
	}
	w.noticeNames("bound", notice)
	return w.names.hosts + "# Services, because port 53 is not Daemun's here.\n" + text
}

// followServices keeps the Services in /etc/hosts up to date.
func (w *worker) followServices(ctx context.Context) {
	path := filepath.Join(w.folder(), "etc", "hosts")
	for w.names.services {
		news := w.host.services.news()
		notice := ""
		if err := rewrite(path, w.hostsNow()); err != nil {
			notice = "the Services in /etc/hosts are not up to date: " + err.Error()
		}
		w.noticeNames("files", notice)
		select {
		case <-news:
		case <-ctx.Done():
			return
		}
	}
}

// rewrite makes a file hold text, in place: what is mounted in containers is
// the file, not its name. Unchanged content writes nothing. Readers see the old
// or the new text (a page of either, if the write meets their read), never a
// line that is cut.
func rewrite(path, text string) error {
	old, err := os.ReadFile(path)
	if err == nil && string(old) == text {
		return nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	// The end of a longer old text is covered before it is cut off.
	padded := text + strings.Repeat("\n", max(0, len(old)-len(text)))
	_, err = f.WriteString(padded)
	return errors.Join(err, f.Truncate(int64(len(text))), f.Chmod(0o644), f.Close())
}

// misformedNames is what can be said of a Pod's names without its machine.
func misformedNames(pod *corev1.Pod) []forming {
	_, resolver := podResolvConf(pod, DefaultZone, "127.0.0.1", resolvconf.Config{})
	_, hosts := podHosts(pod, DefaultZone, "")
	_, name := kernelHostname(pod, DefaultZone)
	return slices.Concat(resolver, hosts, name)
}

// misformed reports what is not used of a Pod's names.
func (w *worker) misformed(lists ...[]forming) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, list := range lists {
		for _, f := range list {
			w.problemLocked(CodeForming, f.field, f.message, ir.SeverityWarning)
		}
	}
}

// noticeNames reports, or with an empty text clears, something that all Pods of
// a machine have in common, and so names none of them.
func (w *worker) noticeNames(topic, text string) {
	key := CodeNames + " " + topic
	w.mu.Lock()
	same := w.problems[key].Message == text
	w.mu.Unlock()
	if same {
		return
	}
	w.update(func() {
		delete(w.problems, key)
		if text != "" {
			w.problems[key] = ir.Problem{Code: CodeNames, Severity: ir.SeverityNotice, Message: text}
		}
	})
}

// optionalMounts are those of the Pod's name files that the container does not
// mount itself.
func (n *podNames) optionalMounts(own []corev1.VolumeMount) []process.Mount {
	var out []process.Mount
	for _, m := range n.mounts {
		taken := false
		for i := range own {
			taken = taken || filepath.Clean(own[i].MountPath) == m.Target
		}
		if !taken {
			out = append(out, m)
		}
	}
	return out
}

// DNSAddress is where Pods ask for names: by convention the tenth address of
// the Services' network.
func DNSAddress(services netip.Prefix) netip.Addr { return newAddressRange(services).at(dnsIndex) }
