package standalone

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
)

func TestConfigMapVolumeFollows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := program("serve")
		c.VolumeMounts = []corev1.VolumeMount{{Name: "conf", MountPath: "/etc/app"}, {Name: "conf", MountPath: "/one", SubPath: "a.txt"}}
		pod := &corev1.Pod{ObjectMeta: meta("a"), Spec: corev1.PodSpec{Containers: []corev1.Container{c}}}
		pod.Spec.Volumes = []corev1.Volume{{Name: "conf", VolumeSource: corev1.VolumeSource{
			ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "conf"}},
		}}}
		l := newLab(t, pod)
		defer l.end()
		if p := l.Problems(); len(p) != 1 || p[0].Code != CodeMissingRef || p[0].Field != "spec.volumes[0]" {
			t.Fatalf("problems: %v", p)
		}
		config := func(data map[string]string) *corev1.ConfigMap {
			return &corev1.ConfigMap{ObjectMeta: meta("conf"), Data: data}
		}
		l.put(config(map[string]string{"a.txt": "one", "b": "gone soon", "../evil": "x", "..": "y"}))
		mounts := l.rt.starts[0].Mounts
		if len(mounts) != 2 || !mounts[0].ReadOnly || !strings.Contains(mounts[1].Source, "..v") {
			t.Fatalf("mounts %+v", mounts)
		}
		dir := mounts[0].Source
		if got, err := os.ReadFile(filepath.Join(dir, "a.txt")); string(got) != "one" {
			t.Errorf("a.txt holds %q (%v)", got, err)
		}
		if _, err := os.Lstat(filepath.Join(filepath.Dir(dir), "evil")); err == nil {
			t.Error("a key left the volume")
		}
		l.put(config(map[string]string{"a.txt": "two"}))
		if got, err := os.ReadFile(filepath.Join(dir, "a.txt")); string(got) != "two" {
			t.Errorf("a.txt holds %q (%v) after the change", got, err)
		}
		if _, err := os.Lstat(filepath.Join(dir, "b")); err == nil {
			t.Error("a key that is gone is still shown")
		}
		if n := l.rt.started("default/a/main"); n != 1 {
			t.Errorf("%d starts: a change of a ConfigMap must not restart", n)
		}
	})
}

func TestSubPathStaysInside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Symlink("/etc", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for sub, ok := range map[string]bool{"a/b": true, "../x": false, "/etc": false, "link/passwd": false, "link": false} {
		if got, err := subPath(dir, sub); (err == nil) != ok {
			t.Errorf("subPath %q: %q, %v", sub, got, err)
		}
	}
}

func TestHostileNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", ".", "..", "../x", "a/b", "A", "a\x00", "-a", strings.Repeat("a", 300)} {
		if got := pathName(name); strings.ContainsAny(got, "/.\x00") || len(got) > 20 {
			t.Errorf("pathName(%q) = %q", name, got)
		}
	}
	if pathName("web-1") != "web-1" {
		t.Error("a plain name was changed")
	}
}

func TestWithoutMounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := program("serve")
		c.VolumeMounts = []corev1.VolumeMount{{Name: "my-data", MountPath: "/data"}}
		pod := &corev1.Pod{ObjectMeta: meta("a"), Spec: corev1.PodSpec{Containers: []corev1.Container{c}}}
		pod.Spec.Volumes = []corev1.Volume{{Name: "my-data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
		l := newLabWith(t, func(rt *fakeRuntime) { rt.noMounts = true }, pod)
		defer l.end()
		env := strings.Join(l.rt.starts[0].Env, "\n")
		if !strings.Contains(env, "DAEMUN_VOLUME_MY_DATA=") || len(l.rt.starts[0].Mounts) != 0 {
			t.Errorf("environment %s", env)
		}
		if p := l.Problems(); len(p) != 2 || p[0].Code != CodeMounts || p[1].Code != CodeNames {
			t.Errorf("problems: %v", p)
		}
	})
}

func TestHooksAndGrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := program("serve")
		c.Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 7}}}
		l := newLab(t, &corev1.Pod{ObjectMeta: meta("a"), Spec: corev1.PodSpec{Containers: []corev1.Container{c}}},
			&corev1.Pod{ObjectMeta: meta("b"), Spec: corev1.PodSpec{Containers: []corev1.Container{program("stubborn")}}})
		a, b := l.rt.get("default/a/main"), l.rt.get("default/b/main")
		begin := time.Now()
		l.end()
		if took := a.Exit().Finished.Sub(begin); took != 7*time.Second {
			t.Errorf("a ended after %s, want its preStop hook's 7s", took)
		}
		if took := b.Exit().Finished.Sub(begin); took != 30*time.Second || b.Exit().Code != 137 {
			t.Errorf("b ended after %s with %d, want a kill after 30s", took, b.Exit().Code)
		}
	})
}
