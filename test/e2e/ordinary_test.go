package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"daemun/internal/daemuntest"
)

// lowPort is one that some machines permit to everybody, and most do not.
const lowPort = 80

// mayListen says whether an instance of an ordinary user may listen on a port.
func mayListen(t *testing.T, port int) bool {
	t.Helper()
	if os.Getuid() != 0 { // the instance may what the test may
		l, err := net.Listen("tcp", fmt.Sprintf("127.7.7.7:%d", port))
		if err == nil {
			l.Close()
		}
		return !errors.Is(err, fs.ErrPermission)
	}
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err != nil {
		t.Fatal(err)
	}
	first, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return port >= first
}

// asker is a Pod that looks a name up and fetches from it until both go, the
// way any program does, and then writes what it found.
const asker = `apiVersion: v1
kind: Pod
metadata:
  name: asker
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: shell
      image: none
      command: [sh, -c]
      args:
        - |
          until found=$(getent hosts web) && got=$(curl -s http://web:8080/from-pod); do sleep 0.1; done
          echo "found $found"
          echo "got" $got
          exec sleep 3600
`

// TestOrdinaryUser: nothing needs root. Port 53 and ports below 1024 are tried;
// where they are refused each is said once, with what would permit it, and
// everything else runs.
func TestOrdinaryUser(t *testing.T) {
	t.Parallel()
	d := daemuntest.Up(t, daemuntest.Options{Bin: bin, Ordinary: true}, map[string]string{
		"web.yaml":     echoApp{name: "web", replicas: 1}.String(),
		"ingress.yaml": oneIngress("web", "web.test", "web"),
		"low.yaml":     strings.NewReplacer("name: web\n", "name: low\n", "8080", fmt.Sprint(lowPort)).Replace(echoApp{name: "web"}.svc()),
		"asker.yaml":   asker,
	})
	expect(t, d, "http://web.test/", "200 web")
	if _, err := askFrom("", oneAddress(t, d, "web")+":8080"); err != nil {
		t.Errorf("a Service on a high port: %v", err)
	}
	checkPermission(t, d, 53, "DMN0611", "notice")
	if checkPermission(t, d, lowPort, "DMN0651", "error") {
		low := net.JoinHostPort(oneAddress(t, d, "low"), fmt.Sprint(lowPort))
		d.Eventually(10*time.Second, "the low port", func() error { _, err := askFrom("", low); return err })
	}
	if strings.Contains(d.Stderr(), "[DMN0514]") {
		t.Log("this machine shows containers no files of their own; names are looked up at the server in DAEMUN_DNS")
		return
	}
	d.Eventually(20*time.Second, "a Pod finds a Service by its short name", func() error {
		out, _ := d.Run("logs", "asker")
		if !strings.Contains(out, "found "+oneAddress(t, d, "web")) || !strings.Contains(out, `"/from-pod"`) {
			return fmt.Errorf("logs: %q", out)
		}
		return nil
	})
}

// checkPermission waits for one line with a code if the port is not permitted;
// if it is there must be none. It returns whether it is.
func checkPermission(t *testing.T, d *daemuntest.Instance, port int, code, severity string) bool {
	t.Helper()
	allowed := mayListen(t, port)
	pattern := regexp.MustCompile(`(?m)^daemun: ` + severity + `: .*CAP_NET_BIND_SERVICE.* \[` + code + `\]$`)
	d.Eventually(10*time.Second, code, func() error {
		lines := pattern.FindAllString(d.Stderr(), -1)
		if (len(lines) == 0) != allowed || len(lines) > 1 || strings.Count(d.Stderr(), code) != len(lines) {
			return fmt.Errorf("port %d, permitted: %v: said %q", port, allowed, lines)
		}
		if len(lines) == 1 && !strings.Contains(lines[0], "net.ipv4.ip_unprivileged_port_start") {
			return fmt.Errorf("no sysctl in %q", lines[0])
		}
		return nil
	})
	return allowed
}

// TestKilledKeepsNumbers: addresses and ports of Services are the same after
// kill -9, also those that are no longer written anywhere.
func TestKilledKeepsNumbers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	networks := daemuntest.ReserveNetworks(t)
	asked := strings.TrimSuffix(networks.Services, "0/22") + "77"
	manifests := map[string]string{
		"nodes.yaml": twoNodes,
		"lb.yaml":    lbService("balanced", "Local") + "---\n" + lbService("other", "Cluster"),
		"web.yaml":   echoApp{name: "web", service: "type: NodePort\n"}.svc() + "---\n" + echoApp{name: "kept", service: "clusterIP: " + asked + "\n"}.svc(),
	}
	names := []string{"balanced", "other", "web", "kept"}
	start := func(manifests map[string]string) *daemuntest.Instance {
		return daemuntest.Up(t, daemuntest.Options{Bin: bin, Dir: dir, Networks: &networks}, manifests)
	}
	d := start(manifests)
	// Whoever has a number keeps it when the field goes.
	d.Write("web.yaml", strings.Replace(manifests["web.yaml"], "clusterIP: "+asked, "sessionAffinity: ClientIP", 1))
	d.Eventually(10*time.Second, "edited", func() error {
		if out, _ := d.Run("get", "service", "kept", "-o", "json"); !strings.Contains(out, "ClientIP") {
			return errors.New(out)
		}
		return nil
	})
	before := map[string]shown{}
	for _, name := range names {
		before[name] = service(t, d, name)
	}
	if before["kept"].Spec.ClusterIP != asked {
		t.Errorf("kept has %s, want %s", before["kept"].Spec.ClusterIP, asked)
	}
	if err := d.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-d.Exited()
	if _, err := os.Stat(filepath.Join(dir, "state", "services.json")); err != nil {
		t.Error(err)
	}
	d = start(nil)
	for _, name := range names {
		if now := service(t, d, name); fmt.Sprint(now) != fmt.Sprint(before[name]) {
			t.Errorf("%s: %+v before, %+v after", name, before[name], now)
		}
	}
	if _, err := askFrom("", asked+":8080"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a Service without endpoints after the restart: %v, want refused", err)
	}
}
