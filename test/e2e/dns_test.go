package e2e

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"daemun/internal/daemuntest"
)

// ask sends one question over "udp" or "tcp" and returns the answer.
func ask(d *daemuntest.Instance, transport, name string, kind dnsmessage.Type) (m dnsmessage.Message, err error) {
	parsed, err := dnsmessage.NewName(name)
	if err != nil {
		return m, err
	}
	question := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 77, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: parsed, Type: kind, Class: dnsmessage.ClassINET}},
	}
	query, err := question.Pack()
	if err != nil {
		return m, err
	}
	conn, err := net.Dial(transport, d.DNS)
	if err != nil {
		return m, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return m, err
	}
	if transport == "tcp" {
		query = append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)
	}
	if _, err := conn.Write(query); err != nil {
		return m, err
	}
	answer, err := receive(conn, transport)
	if err == nil {
		err = m.Unpack(answer)
	}
	return m, err
}

func receive(conn net.Conn, transport string) ([]byte, error) {
	buf := make([]byte, 1<<16)
	if transport == "udp" {
		n, err := conn.Read(buf)
		return buf[:n], err
	}
	if _, err := io.ReadFull(conn, buf[:2]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint16(buf)
	_, err := io.ReadFull(conn, buf[:n])
	return buf[:n], err
}

// crowd is a headless Service without selector, and its endpoints.
func crowd(pods int) string {
	var b strings.Builder
	b.WriteString("apiVersion: v1\nkind: Service\nmetadata:\n  name: crowd\nspec:\n  clusterIP: None\n  ports:\n  - name: http\n    port: 80\n")
	const perSlice = 100
	for n := range pods {
		if n%perSlice == 0 {
			fmt.Fprintf(&b, "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  name: crowd-%d\n  labels:\n    kubernetes.io/service-name: crowd\n"+
				"addressType: IPv4\nports:\n- name: http\n  port: 8080\nendpoints:\n", n/perSlice)
		}
		fmt.Fprintf(&b, "- addresses: [127.99.%d.%d]\n", n/perSlice, n%perSlice+1)
	}
	return b.String()
}

// TestManyAddressesInDNS: what does not fit a datagram is cut and marked, TCP
// has all of it, and an ordinary resolver finds all by itself.
func TestManyAddressesInDNS(t *testing.T) {
	t.Parallel()
	const pods, name = 300, "crowd.default.svc.cluster.local."
	d := up(t, map[string]string{"crowd.yaml": crowd(pods)})
	short, err := ask(d, "udp", name, dnsmessage.TypeA)
	if err != nil || !short.Truncated || len(short.Answers) == 0 || len(short.Answers) >= pods {
		t.Errorf("over UDP: %v, truncated: %v, %d records; want some and the mark", err, short.Truncated, len(short.Answers))
	}
	for kind, want := range map[dnsmessage.Type]int{dnsmessage.TypeA: pods, dnsmessage.TypeAAAA: 0} {
		long, err := ask(d, "tcp", name, kind)
		if err != nil || long.Truncated || long.RCode != dnsmessage.RCodeSuccess || len(long.Answers) != want {
			t.Errorf("%s over TCP: %v, %+v, %d records; want all %d", kind, err, long.Header, len(long.Answers), want)
		}
	}
	servers, err := ask(d, "tcp", "_http._tcp."+name, dnsmessage.TypeSRV)
	if err != nil || len(servers.Answers) != pods {
		t.Errorf("SRV over TCP: %v, %d records", err, len(servers.Answers))
	}
	found, err := lookup(d, "crowd")
	if err != nil || len(found) != pods {
		t.Errorf("a resolver finds %d addresses, %v; want %d", len(found), err, pods)
	}
	d.Write("crowd.yaml", crowd(2))
	d.Eventually(10*time.Second, "two addresses over UDP", func() error {
		m, err := ask(d, "udp", name, dnsmessage.TypeA)
		if err == nil && (m.Truncated || len(m.Answers) != 2) {
			err = fmt.Errorf("truncated: %v, %d records", m.Truncated, len(m.Answers))
		}
		return err
	})
}

// TestNamesOutsideWithoutUpstream: while no resolver of the machine answers,
// names outside of the zone fail soon, and those in the zone do not suffer.
func TestNamesOutsideWithoutUpstream(t *testing.T) {
	t.Parallel()
	conf := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(conf, []byte("# nobody is there\nnameserver 127.7.53.53\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	own := []string{"unshare", "-m"}
	if os.Getuid() != 0 {
		own = []string{"unshare", "-rm"}
	}
	own = append(own, "sh", "-c", `mount --bind "$0" /etc/resolv.conf && exec "$@"`, conf)
	if out, err := exec.Command(own[0], append(own[1:], "true")...).CombinedOutput(); err != nil {
		t.Skipf("this machine gives no instance a resolv.conf of its own: %v\n%s", err, out)
	}
	d := daemuntest.Up(t, daemuntest.Options{Bin: bin, Wrap: own}, map[string]string{"web.yaml": echoApp{name: "web", replicas: 1}.String()})
	for range 3 {
		for _, transport := range []string{"udp", "tcp"} {
			m, err := ask(d, transport, "www.example.com.", dnsmessage.TypeA)
			if err != nil || m.RCode != dnsmessage.RCodeServerFailure {
				t.Errorf("over %s: %v, %s, want SERVFAIL", transport, err, m.RCode)
			}
		}
		if found, err := lookup(d, "web"); err != nil || len(found) != 1 {
			t.Errorf("a name in the zone: %v, %v", found, err)
		}
	}
	_, err := lookup(d, "nobody")
	var wrong *net.DNSError
	if !errors.As(err, &wrong) || !wrong.IsNotFound {
		t.Errorf("a name of nobody in the zone: %v, want not found", err)
	}
	if _, err := resolver(d).LookupHost(context.Background(), "www.example.com."); !errors.As(err, &wrong) || wrong.IsNotFound {
		t.Errorf("a name outside: %v, want a failure, not that there is no such name", err)
	}
}
