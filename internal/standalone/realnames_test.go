package standalone

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"daemun/internal/manifest"
	"daemun/internal/process"
	"daemun/internal/store"
)

// lookup is a program that looks names up, all with the same address, which
// comes first.
func lookup(args []string) int {
	for _, name := range args[1:] {
		got, err := net.LookupHost(name)
		if err != nil || len(got) == 0 || got[0] != args[0] {
			fmt.Println(name, got, err)
			return 1
		}
	}
	return 0
}

// realCluster runs objects as real processes until the test ends.
func realCluster(t *testing.T, c Config, pc process.Config, objects ...store.Object) *Cluster {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	rt := process.NewRuntime(pc)
	if ok, reason := rt.Mounts(); !ok && !pc.NoNamespaces {
		rt.Close()
		t.Skipf("this machine has no private mounts: %s", reason)
	}
	c.Store, c.Runtime, c.StateDir, c.PodNetwork = store.New(), rt, t.TempDir(), ownNetwork()
	c.Images = map[string]string{"helper": self}
	cl := New(c)
	cl.Apply(manifest.Change{Put: objects})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- cl.Run(ctx, nil) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		rt.Close()
	})
	return cl
}

// shellPod runs a script once; its output is in its log.
func shellPod(name, script string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: meta(name), Spec: corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{program("/bin/sh", "-c", script)},
	}}
}

// waitingPod sleeps and is ready when a command succeeds inside it.
func waitingPod(name string, command ...string) *corev1.Pod {
	p := shellPod(name, "exec sleep 1000")
	p.Spec.Containers[0].ReadinessProbe = execProbe(1)
	p.Spec.Containers[0].ReadinessProbe.Exec.Command = command
	p.Spec.Containers[0].ReadinessProbe.TimeoutSeconds = 20 // a program with the race detector takes a second to end
	grace := int64(0)
	p.Spec.TerminationGracePeriodSeconds = &grace
	return p
}

func isReady(cl *Cluster, name string) bool {
	p := cl.cfg.Store.View().Pods[store.Name{Namespace: "default", Name: name}]
	return p != nil && conditionTrue(p, corev1.PodReady)
}

// printed is what a Pod that has ended wrote to stdout.
func printed(t *testing.T, cl *Cluster, name string) string {
	t.Helper()
	key := store.Name{Namespace: "default", Name: name}
	eventually(t, name+" ends", func() bool {
		p := cl.cfg.Store.View().Pods[key]
		return p != nil && (p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed)
	})
	log, err := os.ReadFile(cl.LogPath(key, "main"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for line := range strings.Lines(string(log)) {
		if _, text, ok := strings.Cut(line, " stdout F "); ok {
			b.WriteString(text)
		}
	}
	return b.String()
}

// machine is a folder with the files of some machine.
func machine(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"resolv.conf": "nameserver 192.0.2.53\nsearch corp.example\n", "hosts": "127.0.0.1 localhost\n192.0.2.7 legacy\n",
		"nsswitch.conf": "passwd: files\nhosts: mymachines resolve [!UNAVAIL=return] files dns\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestNamesInContainers(t *testing.T) {
	t.Parallel()
	show := "cat /etc/resolv.conf /etc/hosts; grep hosts: /etc/nsswitch.conf; echo $DAEMUN_DNS $LOCALDOMAIN $RES_OPTIONS; uname -n"
	plain, host := shellPod("plain", show), shellPod("host", show)
	plain.Spec.Hostname, plain.Spec.Subdomain = "db-0", "dbs"
	plain.Spec.HostAliases = []corev1.HostAlias{{IP: "192.0.2.1", Hostnames: []string{"alias"}}}
	host.Spec.HostNetwork = true
	own := shellPod("own", "cat /etc/hosts")
	own.Spec.Volumes = []corev1.Volume{{Name: "mine", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "mine"}}}}}
	own.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "mine", MountPath: "/etc/hosts", SubPath: "hosts"}}
	mine := &corev1.ConfigMap{ObjectMeta: meta("mine"), Data: map[string]string{"hosts": "192.0.2.2 mine\n"}}
	exec := waitingPod("exec", "/bin/sh", "-c", "grep -q 'search default.svc.cluster.local' /etc/resolv.conf && test $(uname -n) = exec")
	cl := realCluster(t, Config{DNS: DNS{
		Server: netip.MustParseAddr("127.96.0.10"), Fallback: netip.MustParseAddrPort("127.0.0.1:5353"), Machine: machine(t),
	}}, process.Config{}, plain, host, own, mine, exec)

	text := printed(t, cl, "plain")
	for _, want := range []string{
		"nameserver 127.96.0.10\nsearch default.svc.cluster.local svc.cluster.local cluster.local corp.example\noptions ndots:5\n",
		"\tdb-0.dbs.default.svc.cluster.local db-0\n192.0.2.1\talias\n", "\nhosts: files dns\n", "\n127.0.0.1:5353\n", "\ndb-0\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "kubernetes.default") {
		t.Errorf("Services in /etc/hosts although there is a name server:\n%s", text)
	}
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if text := printed(t, cl, "host"); strings.Contains(text, "Daemun") || !strings.HasSuffix(text, "\n127.0.0.1:5353\n"+name+"\n") {
		t.Errorf("a Pod with hostNetwork sees\n%s", text)
	}
	if text := printed(t, cl, "own"); text != "192.0.2.2 mine\n" {
		t.Errorf("a Pod's own /etc/hosts is\n%s", text)
	}
	eventually(t, "an exec probe sees the same", func() bool { return isReady(cl, "exec") })
	if p := cl.Problems(); len(p) != 0 {
		t.Errorf("problems %v", p)
	}
}

func TestNamesWithoutNamespaces(t *testing.T) {
	t.Parallel()
	show := "echo $DAEMUN_DNS; echo $LOCALDOMAIN; echo $RES_OPTIONS; uname -n; cat /etc/hosts"
	set := shellPod("set", show)
	set.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "RES_OPTIONS", Value: "ndots:1"}}
	standard := shellPod("standard", show)
	standard.Spec.DNSPolicy = corev1.DNSDefault
	cl := realCluster(t, Config{DNS: DNS{Fallback: netip.MustParseAddrPort("127.0.0.1:5353"), Machine: machine(t)}},
		process.Config{NoNamespaces: true}, shellPod("plain", show), set, standard)
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	hosts, err := os.ReadFile("/etc/hosts")
	if err != nil {
		t.Fatal(err)
	}
	const search = "default.svc.cluster.local svc.cluster.local cluster.local corp.example"
	rest := "\n" + name + "\n" + string(hosts)
	for pod, want := range map[string]string{
		"plain": "127.0.0.1:5353\n" + search + "\nndots:5" + rest, "set": "127.0.0.1:5353\n" + search + "\nndots:1" + rest,
		"standard": "127.0.0.1:5353\n\n" + rest,
	} {
		if got := printed(t, cl, pod); strings.TrimSpace(got) != strings.TrimSpace(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", pod, got, want)
		}
	}
	if p := cl.Problems(); len(p) != 1 || p[0].Code != CodeNames {
		t.Errorf("problems %v, want one notice for all Pods", p)
	}
}

// Without a server on port 53, while the container runs.
func TestServicesInHosts(t *testing.T) {
	t.Parallel()
	late := service("late")
	late.Spec.ClusterIP = "127.96.0.77"
	names := []string{"late", "late.default", "late.default.svc", "late.default.svc.cluster.local"}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	client := waitingPod("client", append([]string{self, helperArg, "lookup", "127.96.0.77"}, names...)...)
	cl := realCluster(t, Config{DNS: DNS{Fallback: netip.MustParseAddrPort("127.0.0.1:5353")}}, process.Config{}, client, shellPod("machine", "cat /etc/resolv.conf"))
	key := store.Name{Namespace: "default", Name: "client"}
	eventually(t, "the client runs", func() bool {
		p := cl.cfg.Store.View().Pods[key]
		return p != nil && p.Status.Phase == corev1.PodRunning
	})
	if isReady(cl, "client") {
		t.Error("the name is known before its Service exists")
	}
	cl.Apply(manifest.Change{Put: []store.Object{late}})
	eventually(t, "all names of a new Service are known in a container that runs", func() bool { return isReady(cl, "client") })
	cl.Apply(manifest.Change{Delete: []store.Key{{Kind: "Service", Namespace: "default", Name: "late"}}})
	eventually(t, "names go with their Service", func() bool { return !isReady(cl, "client") })
	own, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		t.Fatal(err)
	}
	if got := printed(t, cl, "machine"); got != string(own) {
		t.Errorf("the resolv.conf is\n%s\nwant the machine's", got)
	}
}

// answerer is a name server of one name, on UDP: just enough to see resolvers
// ask the right one.
func answerer(t *testing.T, at netip.Addr, name string, address netip.Addr) {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(at, 53)))
	if err != nil {
		t.Skipf("needs port 53: %v", err)
	}
	t.Cleanup(func() { conn.Close() })
	var question []byte
	for _, label := range strings.Split(name, ".") {
		question = append(append(question, byte(len(label))), label...)
	}
	question = append(question, 0)
	go func() { // ends with the socket
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			end := 12 + bytes.IndexByte(buf[12:n], 0) + 5 // name, type, class
			reply := append([]byte{}, buf[:end]...)
			reply[2], reply[3] = 0x85, 0x80 // an authoritative answer
			copy(reply[4:12], []byte{0, 1, 0, 0, 0, 0, 0, 0})
			switch {
			case !bytes.HasPrefix(bytes.ToLower(reply[12:]), question):
				reply[3] |= 3 // no such name
			case binary.BigEndian.Uint16(reply[end-4:]) == 1:
				reply[7] = 1
				a := address.As4()
				reply = append(append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4), a[:]...)
			}
			conn.WriteToUDPAddrPort(reply, from)
		}
	}()
}

func TestNamesFromTheServer(t *testing.T) {
	t.Parallel()
	server := ownNetwork().Addr().Next()
	for range 249 {
		server = server.Next()
	}
	answerer(t, server, "web.default.svc.cluster.local", netip.MustParseAddr("127.96.3.3"))
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	objects := []store.Object{waitingPod("go", self, helperArg, "lookup", "127.96.3.3", "web", "web.default", "web.default.svc", "web.default.svc.cluster.local.")}
	libc := "getent ahostsv4 web | grep -q 127.96.3.3 && getent hosts web.default | grep -q 127.96.3.3"
	if _, err := exec.LookPath("getent"); err == nil {
		objects = append(objects, waitingPod("libc", "/bin/sh", "-c", libc))
	}
	cl := realCluster(t, Config{DNS: DNS{Server: server, Fallback: netip.AddrPortFrom(server, 53)}}, process.Config{}, objects...)
	for _, o := range objects {
		eventually(t, o.GetName()+" resolves the names", func() bool { return isReady(cl, o.GetName()) })
	}
}

// The same as another user, when the tests run as root.
func TestNamesOfAnOrdinaryUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("all tests run as an ordinary user already")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	tool, work := filepath.Join(dir, "test"), filepath.Join(dir, "work")
	if out, err := exec.Command("cp", self, tool).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v\n%s", err, out)
	}
	if err := errors.Join(os.Mkdir(work, 0o777), os.Chmod(work, 0o777), os.Chmod(dir, 0o755), os.Chmod(filepath.Dir(dir), 0o755)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(tool, "-test.run=^(TestNamesInContainers|TestServicesInHosts|TestNamesWithoutNamespaces)$")
	cmd.Dir, cmd.Env = "/", []string{"TMPDIR=" + work, "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if cmd.Process == nil && errors.Is(err, syscall.EPERM) {
		t.Skip("this root cannot become another user")
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
