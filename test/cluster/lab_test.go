package cluster

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// web is a Deployment of two Pods behind a Service.
const web = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: %[1]s}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      nodeSelector: {kubernetes.io/hostname: %[2]s}
      containers: [{name: web, image: echo, ports: [{name: http, containerPort: 8080}]}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: %[1]s}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
`

// TestPlayedNodeRunsPods guards the kit itself: what the other tests take for
// granted of a cluster is so.
func TestPlayedNodeRunsPods(t *testing.T) {
	u := cluster(t)
	ns := u.Namespace(nil)
	node := u.Cluster.Node(t, 1, nil)
	u.Apply(fmt.Sprintf(web, ns, node.Name))

	var addresses []string
	endpoints := func(want int, which string) {
		t.Helper()
		u.Await(fmt.Sprintf("%d %s endpoints", want, which), func() error {
			addresses = nil
			slices, err := u.Cluster.Client().List(t.Context(), "discovery.k8s.io/v1", "EndpointSlice", ns, "labelSelector=kubernetes.io%2Fservice-name%3Dweb")
			if err != nil {
				return err
			}
			for _, slice := range slices {
				list, _ := slice.At("endpoints").([]any)
				for _, e := range list {
					e := e.(map[string]any)
					if e["conditions"].(map[string]any)[which] == true {
						addresses = append(addresses, e["addresses"].([]any)[0].(string))
					}
				}
			}
			if len(addresses) != want {
				return fmt.Errorf("%s: %v", which, addresses)
			}
			return nil
		})
	}
	endpoints(2, "ready")
	for _, address := range addresses {
		response, err := http.Get("http://" + address + ":8080/")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || !strings.HasPrefix(string(body), "web-") {
			t.Errorf("%s answers %q (%v)", address, body, err)
		}
	}

	pods, err := u.Cluster.Client().List(t.Context(), "v1", "Pod", ns, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := node.SetReady(t.Context(), ns, pods[0].String("metadata", "name"), false); err != nil {
		t.Fatal(err)
	}
	endpoints(1, "ready")
	if err := node.SetReady(t.Context(), ns, pods[0].String("metadata", "name"), true); err != nil {
		t.Fatal(err)
	}
	u.Kubectl("", "-n", ns, "scale", "deployment/web", "--replicas=1")
	endpoints(1, "terminating")
	endpoints(0, "terminating")
	endpoints(1, "ready")
}

// TestOutageAndReturn guards what tests of an outage rely on: the API server
// comes back with its data.
func TestOutageAndReturn(t *testing.T) {
	u := cluster(t)
	ns := u.Namespace(nil)
	u.Apply(fmt.Sprintf(`{apiVersion: v1, kind: ConfigMap, metadata: {name: kept, namespace: %s}, data: {a: b}}`, ns))
	u.Cluster.KillAPIServer()
	if _, err := u.TryKubectl("", "-n", ns, "get", "configmap", "kept"); err == nil {
		t.Fatal("the API server still answers")
	}
	if err := u.Cluster.StartAPIServer(); err != nil {
		t.Fatal(err)
	}
	if got := u.Get("v1", "ConfigMap", ns, "kept").String("data", "a"); got != "b" {
		t.Errorf("data is %q", got)
	}
}
