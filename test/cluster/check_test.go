package cluster

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"daemun/test/cluster/lab"
)

// checked runs `daemun check --cluster` and returns its findings, as code and
// message, by severity.
func checked(t *testing.T, u *lab.User, args ...string) map[string][]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), u.Cluster.Programs.Daemun, append([]string{"check", "--cluster", "-o", "json", "--kubeconfig", u.Kubeconfig, "--election-id", "daemun-leader"}, args...)...)
	cmd.Env = append(os.Environ(), u.Env...)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		t.Fatalf("%v\n%s", err, out)
	}
	var list []struct{ Code, Severity, Message string }
	if err := json.Unmarshal(out, &list); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	found := map[string][]string{}
	for _, p := range list {
		found[p.Severity] = append(found[p.Severity], p.Code+" "+p.Message)
	}
	return found
}

// TestCheckTellsWhichRightsAreMissing asks a real API server: the account of
// the manifests lacks nothing, whether somebody else asks for it or it asks for
// itself; one without any role lacks them all.
func TestCheckTellsWhichRightsAreMissing(t *testing.T) {
	u, _ := deployed(t)
	as := u.As("daemun", "daemun")
	as.Env = []string{"POD_NAMESPACE=daemun"}
	for name, found := range map[string]map[string][]string{
		"asked by the administrator": checked(t, u, "--service-account", "daemun/daemun"),
		"asked by itself":            checked(t, as),
	} {
		for severity, list := range found {
			for _, p := range list {
				if severity == "error" || strings.HasPrefix(p, "DMN0821") || strings.HasPrefix(p, "DMN0823") {
					t.Errorf("%s: %s: %s", name, severity, p)
				}
			}
		}
	}
	// What it may not look at, it says.
	if notices := strings.Join(checked(t, as)["notice"], "\n"); strings.Count(notices, "DMN0829") != 2 {
		t.Errorf("asked by itself: %s", notices)
	}
	const missing = `DMN0821 the service account daemun/default may not list and watch secrets in all namespaces`
	if found := strings.Join(checked(t, u, "--service-account", "daemun/default")["error"], "\n"); !strings.Contains(found, missing) {
		t.Errorf("an account without a role: %s", found)
	}
}
