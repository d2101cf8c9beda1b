package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"daemun/test/cluster/lab"
)

// deployed applies deploy/daemun.yaml, for the tests that look at what it
// makes. Applying it again changes nothing.
func deployed(t *testing.T) (*lab.User, []lab.Object) {
	t.Helper()
	u := cluster(t)
	return u, u.Apply(manifest(t, "daemun.yaml"))
}

func manifest(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(programs.Root, "deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestManifestsAreAccepted applies every manifest as `kubectl apply -f` does,
// with unknown fields and warnings as errors.
func TestManifestsAreAccepted(t *testing.T) {
	u, objects := deployed(t)
	if len(objects) < 10 {
		t.Errorf("deploy/daemun.yaml has %d objects only", len(objects))
	}
	optional, err := filepath.Glob(filepath.Join(programs.Root, "deploy", "optional", "*.yaml"))
	if err != nil || len(optional) == 0 {
		t.Fatalf("no optional manifests: %v", err)
	}
	for _, file := range optional {
		u.Apply(manifest(t, filepath.Join("optional", filepath.Base(file))), lab.DryRun)
	}
	out := u.Kubectl("", "apply", "--dry-run=server", "--validate=strict", "-f", filepath.Join(programs.Root, "deploy"))
	if strings.Contains(strings.ToLower(out), "warning") {
		t.Errorf("kubectl apply -f deploy/ warns:\n%s", out)
	}
}

// TestManifestsPassRestrictedPodSecurity: the API server refuses Pods, not
// Deployments, so it is Pods that must come to be.
func TestManifestsPassRestrictedPodSecurity(t *testing.T) {
	u, _ := deployed(t)
	if level := u.Get("v1", "Namespace", "", "daemun").String("metadata", "labels", "pod-security.kubernetes.io/enforce"); level != "restricted" {
		t.Fatalf("namespace daemun enforces %q", level)
	}
	u.Await("two Pods in a restricted namespace", func() error {
		d, err := u.Cluster.Client().Get(t.Context(), "apps/v1", "Deployment", "daemun", "daemun-controller")
		if err != nil {
			return err
		}
		if n, _ := d.At("status", "replicas").(float64); n != 2 {
			return fmt.Errorf("status: %v", d.At("status"))
		}
		return nil
	})
}

// TestServiceAccountMayDoWhatItNeedsOnly shows all that Daemun may do, in its
// own namespace and in others. A change of these files is a change of what a
// stolen token is worth.
func TestServiceAccountMayDoWhatItNeedsOnly(t *testing.T) {
	u, _ := deployed(t)
	for _, ns := range []string{"daemun", "default"} {
		rules := u.Kubectl("", "auth", "can-i", "--list", "-n", ns, "--as="+serviceAccount, "--as-group=system:serviceaccounts", "--as-group=system:authenticated")
		golden(t, "rbac/"+ns+".txt", tidy(rules))
	}
}

// tidy makes a kubectl table independent of the width of its columns and the
// order of its rows.
func tidy(table string) string {
	var lines []string
	for line := range strings.SplitSeq(strings.TrimSpace(table), "\n") {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	slices.Sort(lines[1:])
	return strings.Join(slices.Compact(lines), "\n") + "\n"
}

func parse(t *testing.T, text string) []lab.Object {
	t.Helper()
	objects, err := lab.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// grants are the rules of roles as "VERB GROUP/RESOURCE", sorted.
func grants(objects []lab.Object) []string {
	var all []string
	for _, o := range objects {
		rules, _ := o.At("rules").([]any)
		for _, rule := range rules {
			r := lab.Object(rule.(map[string]any))
			for _, group := range r.At("apiGroups").([]any) {
				for _, resource := range r.At("resources").([]any) {
					for _, verb := range r.At("verbs").([]any) {
						all = append(all, verb.(string)+" "+strings.TrimPrefix(group.(string)+"/"+resource.(string), "/"))
					}
				}
			}
		}
	}
	slices.Sort(all)
	return all
}
