package e2e

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"daemun/internal/daemuntest"
)

// wrongService is a file with one Service that has one mistake.
type wrongService struct {
	name string
	spec string // its lines
	// says is a regular expression for the sentence: from the place in the file
	// to the code. {net} is the service network.
	says string
}

// port is the beginning of most of them; the ports are the lines 6 to 8.
const port = "ports:\n  - name: http\n    port: 80\n"

// In wrongServices the Service "a-holder" has the node port 30001 and the
// address NETWORK.9.
func wrongServices() []wrongService {
	const svc = `Service default/%s: spec\.`
	return []wrongService{
		{"node-port-range", port + "    nodePort: 8080\ntype: NodePort\n", `:9:17: ` + svc + `ports\[0\]\.nodePort: 8080 .*30000 to 32767`},
		{"node-port-twice", port + "    nodePort: 30010\n  - name: b\n    port: 81\n    nodePort: 30010\ntype: NodePort\n", `:12:17: ` + svc + `ports\[1\]\.nodePort: .*30010/TCP.* twice`},
		{"node-port-headless", port + "clusterIP: None\ntype: NodePort\n", `:9:14: ` + svc + `clusterIP: .*NodePort.*remove it`},
		{"node-port-type", port + "    nodePort: 30011\n", `:9:17: ` + svc + `ports\[0\]\.nodePort: .*ClusterIP.*remove it`},
		{"port-twice", port + "  - name: b\n    port: 80\n", `:10:13: ` + svc + `ports\[1\]\.port: "80/TCP" is used twice`},
		{"port-name-twice", port + "  - name: http\n    port: 81\n", `:9:13: ` + svc + `ports\[1\]\.name: "http" is used twice`},
		{"port-without-name", port + "  - port: 81\n", `:9:7: ` + svc + `ports\[1\]\.name: is missing`},
		{"no-ports", "type: ClusterIP\n", `:\d+:\d+: ` + svc + `ports: is missing`},
		{"no-external-name", "type: ExternalName\n", `:\d+:\d+: ` + svc + `externalName: is missing`},
		{"health-check-port", port + "healthCheckNodePort: 30012\ntype: LoadBalancer\n", `:9:24: ` + svc + `healthCheckNodePort: .*externalTrafficPolicy: Local`},
		{"source-range", port + "type: LoadBalancer\nloadBalancerSourceRanges: [everybody]\n", `:10:30: ` + svc + `loadBalancerSourceRanges\[0\]: .*everybody`},
		{"protocol", port + "    protocol: ICMP\n", `:9:17: ` + svc + `ports\[0\]\.protocol: .*ICMP.*TCP, UDP, SCTP`},
		{"sctp", port + "    protocol: SCTP\n", `:9:17: ` + svc + `ports\[0\]\.protocol: SCTP is not served`},
		{"affinity-time", port + "sessionAffinity: ClientIP\nsessionAffinityConfig:\n  clientIP:\n    timeoutSeconds: 0\n", `:12:23: ` + svc + `sessionAffinityConfig\.clientIP\.timeoutSeconds: 0 .*1 to 86400`},
		{"node-port-taken", port + "    nodePort: 30001\ntype: NodePort\n", `:9:17: ` + svc + `ports\[0\]\.nodePort: 30001 .*default/a-holder`},
		{"address-taken", port + "clusterIP: {net}.9\n", `:9:14: ` + svc + `clusterIP: {net}\.9 .*default/a-holder`},
		{"address-elsewhere", port + "clusterIP: 10.1.2.3\n", `:9:14: ` + svc + `clusterIP: 10\.1\.2\.3 .*{net}\.0/`},
	}
}

// in fills in the network.
func (w wrongService) in(network string) wrongService {
	w.spec = strings.ReplaceAll(w.spec, "{net}", network)
	w.says = fmt.Sprintf(strings.ReplaceAll(w.says, "{net}", regexp.QuoteMeta(network)), w.name)
	return w
}

func (w wrongService) String() string {
	return "apiVersion: v1\nkind: Service\nmetadata:\n  name: " + w.name + "\nspec:\n" + indent(2, w.spec)
}

// check wants one line about the file in a text.
func (w wrongService) check(t *testing.T, who, text string) {
	t.Helper()
	want := regexp.MustCompile(`^manifests/` + w.name + `\.yaml` + w.says + `.* \[DMN\d{4}\]$`)
	if said := linesAbout(text, "error|warning|notice", w.name+".yaml"); len(said) != 1 || !want.MatchString(said[0]) {
		t.Errorf("%s: %s says %q\nwant %s", w.name, who, said, want)
	}
}

// wrongFiles are all of them beside one that is right.
func wrongFiles(network string) map[string]string {
	holder := wrongService{name: "a-holder", spec: port + "    nodePort: 30001\ntype: NodePort\nclusterIP: {net}.9\n"}
	files := map[string]string{"a-holder.yaml": holder.in(network).String()}
	for _, w := range wrongServices() {
		files[w.name+".yaml"] = w.in(network).String()
	}
	return files
}

// TestWrongServices: each mistake is one line with file, place and field, and
// costs nobody else anything.
func TestWrongServices(t *testing.T) {
	t.Parallel()
	networks := daemuntest.ReserveNetworks(t)
	network := strings.TrimSuffix(networks.Services, ".0/22")
	manifests := wrongFiles(network)
	manifests["web.yaml"] = echoApp{name: "web", replicas: 1}.String()
	d := daemuntest.Up(t, daemuntest.Options{Bin: bin, Networks: &networks}, manifests)
	served(d, oneAddress(t, d, "web")+":8080")
	for _, w := range wrongServices() {
		w.in(network).check(t, "up", d.Stderr())
	}
	for _, w := range wrongServices() { // all mended
		d.Write(w.name+".yaml", wrongService{name: w.name, spec: port}.String())
	}
	d.Eventually(10*time.Second, "no problems after all is mended", func() error {
		if out, _ := d.Run("get", "problems", "-A"); !onlyNotices(out) {
			return fmt.Errorf("get problems:\n%s", out)
		}
		return nil
	})

	// lint knows the usual networks only.
	const usual = "127.96.0"
	for name, text := range wrongFiles(usual) {
		d.Write(name, text)
	}
	out, code := d.Run("lint", "manifests")
	if code != 1 {
		t.Errorf("lint ends with %d", code)
	}
	for _, w := range wrongServices() {
		w.in(usual).check(t, "lint", out)
	}
}

// onlyNotices: what the machine does not permit is there in any case.
func onlyNotices(table string) bool {
	for line := range strings.Lines(table) {
		if strings.HasPrefix(line, "error") || strings.HasPrefix(line, "warning") {
			return false
		}
	}
	return true
}
