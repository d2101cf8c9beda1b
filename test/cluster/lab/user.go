package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"testing"
	"time"
)

// User does what a person at a terminal does, for one test; what fails, fails
// the test.
type User struct {
	Cluster *Cluster
	// Kubeconfig says who asks; For sets the administrator's.
	Kubeconfig string
	// Env is added to the environment of the user's controllers, NAME=value.
	Env []string

	t testing.TB
}

// patience bounds every wait of a User.
const patience = time.Minute

// For returns the administrator for a test.
func (c *Cluster) For(t testing.TB) *User {
	return &User{Cluster: c, Kubeconfig: c.Kubeconfig, t: t}
}

// Apply applies the documents of a YAML text and returns what is stored.
func (u *User) Apply(text string, options ...ApplyOption) []Object {
	u.t.Helper()
	objects, err := Parse(text)
	if err != nil {
		u.t.Fatal(err)
	}
	for i, o := range objects {
		if objects[i], err = u.Cluster.client.Apply(u.t.Context(), o, options...); err != nil {
			u.t.Fatalf("apply %s: %v", o.Kind(), err)
		}
	}
	return objects
}

// Get returns an object that exists.
func (u *User) Get(apiVersion, kind, namespace, name string) Object {
	u.t.Helper()
	o, err := u.Cluster.client.Get(u.t.Context(), apiVersion, kind, namespace, name)
	if err != nil {
		u.t.Fatalf("get %s %s/%s: %v", kind, namespace, name, err)
	}
	return o
}

// Delete deletes an object.
func (u *User) Delete(apiVersion, kind, namespace, name string) {
	u.t.Helper()
	if err := u.Cluster.client.Delete(u.t.Context(), apiVersion, kind, namespace, name, -1); err != nil {
		u.t.Fatalf("delete %s %s/%s: %v", kind, namespace, name, err)
	}
}

// Namespace makes a namespace of the test's own, with labels, and deletes it
// afterwards. It is usable when this returns.
func (u *User) Namespace(labels map[string]string) string {
	u.t.Helper()
	o, err := u.Cluster.client.Create(u.t.Context(), Object{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"generateName": "test-", "labels": labels},
	})
	if err != nil {
		u.t.Fatalf("create a namespace: %v", err)
	}
	name := o.Name()
	u.t.Cleanup(func() { u.Cluster.client.Delete(context.Background(), "v1", "Namespace", "", name, -1) })
	u.Await("the ServiceAccount default of "+name, func() error {
		_, err := u.Cluster.client.Get(u.t.Context(), "v1", "ServiceAccount", name, "default")
		return err
	})
	return name
}

// Await waits until a function returns nil, with a limit only a fault reaches.
func (u *User) Await(what string, try func() error) {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(u.t.Context(), patience)
	defer cancel()
	if err := Until(ctx, try); err != nil {
		u.t.Fatalf("wait for %s: %v", what, err)
	}
}

// Kubectl runs kubectl and returns what it prints.
func (u *User) Kubectl(stdin string, args ...string) string {
	u.t.Helper()
	out, err := u.TryKubectl(stdin, args...)
	if err != nil {
		u.t.Fatalf("kubectl %q: %v", args, err)
	}
	return out
}

// TryKubectl is Kubectl where failure is an answer; the error has the text of
// standard error.
func (u *User) TryKubectl(stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(u.t.Context(), u.Cluster.Programs.Kube, append([]string{"kubectl", "--kubeconfig", u.Kubeconfig, "--cache-dir", u.Cluster.Dir + "/kubectl"}, args...)...)
	cmd.Stdin = bytes.NewBufferString(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.String(), nil
}

// As returns a User that asks as a ServiceAccount, with a token as its Pods
// have.
func (u *User) As(namespace, serviceAccount string) *User {
	u.t.Helper()
	path, err := u.Cluster.client.Path(u.t.Context(), "v1", "ServiceAccount", namespace, serviceAccount)
	if err != nil {
		u.t.Fatal(err)
	}
	var answer Object
	request := Object{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": map[string]any{}}
	if err := u.Cluster.client.Do(u.t.Context(), http.MethodPost, path+"/token", "application/json", request, &answer); err != nil {
		u.t.Fatalf("token of ServiceAccount %s/%s: %v", namespace, serviceAccount, err)
	}
	token, err := json.Marshal(answer.String("status", "token"))
	if err != nil {
		u.t.Fatal(err)
	}
	as := *u
	as.Kubeconfig = u.t.TempDir() + "/kubeconfig"
	if err := u.Cluster.WriteKubeconfig(as.Kubeconfig, "token: "+string(token)); err != nil {
		u.t.Fatal(err)
	}
	return &as
}
