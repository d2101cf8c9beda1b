package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"daemun/internal/daemuntest"
)

// udpApp is a Deployment of the echo's UDP mode with its Service: port 5300
// leads to the container's 8080.
func udpApp(replicas int, release, service string) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata:
  name: udp
spec:
  replicas: %d
  selector:
    matchLabels:
      app: udp
  template:
    metadata:
      labels:
        app: udp
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: echo
          image: daemun/echo
          ports:
            - name: echo
              containerPort: 8080
              protocol: UDP
          env:
            - name: UDP_ECHO_SERVER
              value: "1"
            - name: RELEASE
              value: %q
            - name: POD_NAME
              valueFrom:
                fieldRef:
                  fieldPath: metadata.name
            - name: POD_IP
              valueFrom:
                fieldRef:
                  fieldPath: status.podIP
---
apiVersion: v1
kind: Service
metadata:
  name: udp
spec:
  selector:
    app: udp
  ports:
    - name: echo
      protocol: UDP
      port: 5300
      targetPort: echo
%s`, replicas, release, indent(2, service))
}

// flow is a UDP socket that talks to one address.
func flow(t *testing.T, source, address string) *net.UDPConn {
	t.Helper()
	to, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialUDP("udp", &net.UDPAddr{IP: net.ParseIP(source)}, to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// say sends a datagram and returns the answer to it.
func say(conn *net.UDPConn, text string) (e daemuntest.Echo, err error) {
	if _, err := conn.Write([]byte(text)); err != nil {
		return e, err
	}
	if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		return e, err
	}
	for buf := make([]byte, 2048); ; {
		n, err := conn.Read(buf)
		if err != nil {
			return e, err
		}
		var answer struct {
			Request string
			daemuntest.Echo
		}
		if err := json.Unmarshal(buf[:n], &answer); err != nil {
			return e, err
		}
		if answer.Request == text { // else one that came late
			return answer.Echo, nil
		}
	}
}

// TestUDPService: datagrams reach a Pod and come back, the Pod sees the client,
// a flow goes on with another Pod when its own is gone, and DNS tells the port.
func TestUDPService(t *testing.T) {
	t.Parallel()
	d := up(t, map[string]string{"udp.yaml": udpApp(1, "first", "")})
	const client = "127.7.8.9"
	conn := flow(t, client, oneAddress(t, d, "udp")+":5300")
	var first daemuntest.Echo
	d.Eventually(20*time.Second, "answer", func() (err error) { first, err = say(conn, "one"); return err })
	if host, _, _ := net.SplitHostPort(first.RemoteAddr); host != client {
		t.Errorf("the server sees %s, want %s", first.RemoteAddr, client)
	}
	for n := range 20 {
		if e, err := say(conn, fmt.Sprint("more ", n)); err != nil || e.Pod != first.Pod || e.RemoteAddr != first.RemoteAddr {
			t.Errorf("datagram %d of the flow: %v, %+v, want %+v", n, err, e, first)
		}
	}
	d.Write("udp.yaml", udpApp(1, "second", ""))
	n := 0
	d.Eventually(20*time.Second, "the flow moves to the new Pod", func() error {
		n++
		e, err := say(conn, fmt.Sprint("after ", n))
		if err == nil && e.Pod == first.Pod {
			err = fmt.Errorf("Pod %s still answers", e.Pod)
		}
		return err
	})
	_, found, err := resolver(d).LookupSRV(context.Background(), "echo", "udp", "udp.default.svc.cluster.local.")
	if err != nil || len(found) != 1 || found[0].Port != 5300 || found[0].Target != "udp.default.svc.cluster.local." {
		t.Errorf("SRV: %v, %+v", err, found)
	}
	d.Write("udp.yaml", udpApp(0, "second", ""))
	d.Eventually(20*time.Second, "refused", func() error {
		n++
		if _, err := say(conn, fmt.Sprint("nobody ", n)); err == nil || !strings.Contains(err.Error(), "refused") {
			return fmt.Errorf("without Pods: %w, want refused", err)
		}
		return nil
	})
}

// TestClientIPAffinity: with sessionAffinity a client stays with its Pod over
// all its connections and flows, and another client may have another.
func TestClientIPAffinity(t *testing.T) {
	t.Parallel()
	const affinity = "sessionAffinity: ClientIP\nsessionAffinityConfig:\n  clientIP:\n    timeoutSeconds: 100\n"
	d := up(t, map[string]string{
		"web.yaml": echoApp{name: "web", replicas: 3, service: affinity}.String(),
		"udp.yaml": udpApp(3, "only", affinity),
	})
	web, udp := oneAddress(t, d, "web")+":8080", oneAddress(t, d, "udp")+":5300"
	for transport, ask := range map[string]func(source string) (daemuntest.Echo, error){
		"TCP": func(source string) (daemuntest.Echo, error) { return askFrom(source, web) },
		"UDP": func(source string) (daemuntest.Echo, error) { return say(flow(t, source, udp), "hello") },
	} {
		d.Eventually(20*time.Second, transport, func() error { _, err := ask("127.7.7.7"); return err })
		pods := map[string]bool{}
		for client := range 20 {
			source, mine := fmt.Sprintf("127.7.7.%d", 10+client), ""
			// Its Pod may have begun, and not listen yet: no probe asks for UDP.
			d.Eventually(20*time.Second, transport+" from "+source, func() error {
				e, err := ask(source)
				mine = e.Pod
				return err
			})
			for range 3 {
				e, err := ask(source)
				if err != nil {
					t.Fatalf("%s from %s: %v", transport, source, err)
				}
				if e.Pod != mine {
					t.Errorf("%s from %s: Pod %s, then %s", transport, source, mine, e.Pod)
				}
			}
			pods[mine] = true
		}
		// By chance 20 clients have one Pod once in a billion times.
		if len(pods) < 2 {
			t.Errorf("%s: all clients have the Pod %v", transport, pods)
		}
	}
}
