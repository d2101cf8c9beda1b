package cluster

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"daemun/test/cluster/lab"
)

func chart() string { return filepath.Join(programs.Root, "charts", "daemun") }

// helm runs the helm command line; the error has the text of standard error.
func helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), programs.Helm, args...)
	home := t.TempDir()
	cmd.Env = append(os.Environ(), "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("helm %q: %w: %s", args, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.String(), nil
}

// valueFiles are the files of values in testdata/chart, by name.
func valueFiles(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/chart/*.values.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d values files: %v", len(files), err)
	}
	byName := map[string]string{}
	for _, f := range files {
		byName[strings.TrimSuffix(filepath.Base(f), ".values.yaml")] = f
	}
	return byName
}

func render(t *testing.T, namespace, values string) string {
	t.Helper()
	out, err := helm(t, "template", "ingress-nginx", chart(), "--namespace", namespace, "--values", values)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestChartRenders compares what the chart makes of values that people have
// with golden files. The release has the name that most ingress-nginx releases
// have.
func TestChartRenders(t *testing.T) {
	for name, values := range valueFiles(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			golden(t, "chart/"+name+".golden.yaml", render(t, "infra", values))
		})
	}
}

// TestChartGrantsWhatTheManifestsGrant: there is one list of rights.
func TestChartGrantsWhatTheManifestsGrant(t *testing.T) {
	of := func(objects []lab.Object) []string {
		return grants(slices.DeleteFunc(objects, func(o lab.Object) bool { return !strings.HasSuffix(o.String("kind"), "Role") }))
	}
	chart := of(parse(t, render(t, "daemun", "testdata/chart/defaults.values.yaml")))
	if d := cmp.Diff(of(parse(t, manifest(t, "daemun.yaml"))), chart); d != "" || len(chart) == 0 {
		t.Errorf("rights differ (-deploy +charts):\n%s", d)
	}
}

func TestChartPassesHelmLint(t *testing.T) {
	for name, values := range valueFiles(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if out, err := helm(t, "lint", "--strict", chart(), "--values", values); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// foreignGroups have their types in other projects: the API server of the tests
// does not know them.
var foreignGroups = []string{"monitoring.coreos.com/", "keda.sh/", "cert-manager.io/"}

// TestRenderedObjectsAreAccepted has the API server validate each object of
// each render, with unknown fields and warnings as errors.
func TestRenderedObjectsAreAccepted(t *testing.T) {
	u := cluster(t)
	ns := u.Namespace(nil)
	for _, name := range []string{"shop", "dns", "edge-system"} { // that values name
		u.Apply("{apiVersion: v1, kind: Namespace, metadata: {name: " + name + "}}")
	}
	for name, values := range valueFiles(t) {
		t.Run(name, func(t *testing.T) {
			checked := 0
			for _, o := range parse(t, render(t, ns, values)) {
				if isForeign(o) {
					continue
				}
				checked++
				if _, err := u.Cluster.Client().Apply(t.Context(), o, lab.DryRun); err != nil {
					t.Errorf("%s: %v", o.Kind(), err)
				}
			}
			if checked < 5 {
				t.Errorf("only %d objects checked", checked)
			}
		})
	}
}

func isForeign(o lab.Object) bool {
	for _, group := range foreignGroups {
		if strings.HasPrefix(o.String("apiVersion"), group) {
			return true
		}
	}
	return false
}

// TestChartRefuses: values that would start something else than they say end
// with a sentence that says what to do.
func TestChartRefuses(t *testing.T) {
	for set, want := range map[string]string{
		"controller.image.tag=v1.12.3":                            "Daemun's own image is chosen by image.registry",
		"controller.image.repository=reg.local/ingress/nginx":     "controller.image.repository is reg.local/ingress/nginx",
		"controller.image.digest=sha256:ac444cd9515af325ba577b59": "Remove registry, repository, image, tag, digest and digestChroot",
		"controller.kind=StatefulSet":                             "want Deployment or DaemonSet",
		"rbac.scope=true":                                         "set controller.scope.enabled too",
		"image.registri=reg.local":                                "registri",
		"controller.replicaCount=many":                            "replicaCount",
		"controller.service.type=Loadbalancer":                    "/controller/service/type",
		"controller.config.proxy-body-size[0]=1m":                 "proxy-body-size",
	} {
		t.Run(set, func(t *testing.T) {
			t.Parallel()
			_, err := helm(t, "template", "x", chart(), "--set", set)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q in it", err, want)
			}
		})
	}
}

// TestReadmeNamesEveryValue keeps the table of values complete, both ways.
func TestReadmeNamesEveryValue(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(chart(), "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join(chart(), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]any
	if err := yaml.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	walk("", values, keys)
	rows := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)`").FindAllStringSubmatch(string(readme), -1) {
		rows[m[1]] = false
	}
	for key := range keys {
		row := rowOf(key, rows)
		if row == "" {
			t.Errorf("README.md has no row for %s", key)
		}
		rows[row] = true
	}
	for row, used := range rows {
		if !used {
			t.Errorf("README.md has a row for %s, which is not in values.yaml", row)
		}
	}
}

// rowOf finds the row of a key: its own, or one that ends in .* above it.
func rowOf(key string, rows map[string]bool) string {
	if _, ok := rows[key]; ok {
		return key
	}
	for i := len(key); i > 0; i = strings.LastIndexByte(key[:i], '.') {
		if row := key[:i] + ".*"; i < len(key) {
			if _, ok := rows[row]; ok {
				return row
			}
		}
	}
	return ""
}

// walk collects the keys of values down to where users put their own.
func walk(prefix string, v any, keys map[string]bool) {
	m, ok := v.(map[string]any)
	if !ok || len(m) == 0 || whole(prefix) {
		keys[strings.TrimPrefix(prefix, ".")] = true
		return
	}
	for k, child := range m {
		walk(prefix+"."+k, child, keys)
	}
}

// whole are keys whose inside is one thing of Kubernetes.
func whole(key string) bool {
	return strings.HasSuffix(key, "Probe") || strings.HasSuffix(key, ".resources") || strings.HasSuffix(key, ".nodeSelector") ||
		strings.HasSuffix(key, ".lifecycle") || strings.HasSuffix(key, ".seccompProfile") || strings.HasSuffix(key, "ipFamilies")
}

// TestInstallUpgradeUninstall does what a user does, in a namespace that
// enforces restricted Pod security. What Daemun has written into the webhook's
// configuration stays over an upgrade.
func TestInstallUpgradeUninstall(t *testing.T) {
	u := cluster(t)
	ns := u.Namespace(map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})
	release := func(args ...string) {
		t.Helper()
		if _, err := helm(t, append(args, "--kubeconfig", u.Kubeconfig, "--namespace", ns)...); err != nil {
			t.Fatal(err)
		}
	}
	class := "controller.ingressClassResource.name=" + ns
	release("install", "gate", chart(), "--set", class)
	const configuration = "gate-daemun-admission"
	bundle, _ := lab.Certificate(t, "authority", "authority.test")
	u.Kubectl("", "patch", "validatingwebhookconfiguration", configuration, "--type=json", "-p",
		`[{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": "`+bundle+`"}]`)
	release("upgrade", "gate", chart(), "--set", class, "--set", "controller.replicaCount=2")
	hook := u.Get("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "", configuration)
	webhooks, _ := hook.At("webhooks").([]any)
	if got := lab.Object(webhooks[0].(map[string]any)).String("clientConfig", "caBundle"); got != bundle {
		t.Errorf("the upgrade changed what the API server trusts: %q", got)
	}
	u.Await("two Pods", func() error {
		d, err := u.Cluster.Client().Get(t.Context(), "apps/v1", "Deployment", ns, "gate-daemun-controller")
		if err != nil {
			return err
		}
		if n, _ := d.At("status", "replicas").(float64); n != 2 {
			return fmt.Errorf("status: %v", d.At("status"))
		}
		return nil
	})
	release("uninstall", "gate")
	for _, kind := range []string{"clusterroles", "clusterrolebindings", "ingressclasses", "validatingwebhookconfigurations", "all,secrets,configmaps,roles,rolebindings,serviceaccounts,poddisruptionbudgets -n " + ns} {
		out := u.Kubectl("", append([]string{"get", "-l", "app.kubernetes.io/instance=gate", "-o", "name"}, strings.Fields(kind)...)...)
		for line := range strings.FieldsSeq(out) {
			if !strings.HasPrefix(line, "pod/") { // they end in their time
				t.Errorf("helm uninstall left %s", line)
			}
		}
	}
}

// TestUpgradeInPlace upgrades a release of a chart with the names and selectors
// of ingress-nginx: the Service keeps its addresses, the Deployment rolls.
func TestUpgradeInPlace(t *testing.T) {
	u := cluster(t)
	ns := u.Namespace(nil)
	run := func(args ...string) {
		t.Helper()
		if _, err := helm(t, append(args, "--kubeconfig", u.Kubeconfig, "--namespace", ns)...); err != nil {
			t.Fatal(err)
		}
	}
	run("install", "ingress-nginx", "testdata/ingress-nginx")
	uid := func(version, kind string) string {
		t.Helper()
		return u.Get(version, kind, ns, "ingress-nginx-controller").String("metadata", "uid")
	}
	service, deployment := uid("v1", "Service"), uid("apps/v1", "Deployment")
	run("upgrade", "ingress-nginx", chart(), "--set", "nameOverride=ingress-nginx", "--set", "controller.ingressClassResource.name="+ns)
	if uid("v1", "Service") != service {
		t.Error("the upgrade made a new Service: its address is lost")
	}
	if uid("apps/v1", "Deployment") != deployment {
		t.Error("the upgrade made a new Deployment: it did not roll")
	}
	image := u.Kubectl("", "-n", ns, "get", "deployment", "ingress-nginx-controller", "-o", "jsonpath={.spec.template.spec.containers[*].image}")
	if !strings.HasPrefix(image, "docker.io/daemun/daemun:") {
		t.Errorf("the Deployment runs %s", image)
	}
	run("uninstall", "ingress-nginx")
}
