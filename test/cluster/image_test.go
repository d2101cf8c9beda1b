package cluster

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"daemun/test/cluster/lab"
)

// TestImageIsReproducible builds the image again, from a copy of the tree in
// another folder: the place and the time of a build leave no trace in it.
func TestImageIsReproducible(t *testing.T) {
	dir := t.TempDir()
	for _, part := range []string{"cmd", "internal", "deploy", "go.mod", "go.sum"} {
		if out, err := exec.Command("cp", "-R", filepath.Join(programs.Root, part), dir).CombinedOutput(); err != nil {
			t.Fatalf("copy %s: %v: %s", part, err, out)
		}
	}
	again := filepath.Join(t.TempDir(), "again.tar")
	cmd := exec.CommandContext(t.Context(), "go", "run", "./deploy/image", "-version", lab.Version, "-name", lab.ImageName, "-o", again)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	a, err := os.ReadFile(programs.Image)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(again)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Errorf("two builds differ: %d and %d bytes", len(a), len(b))
	}
}

// TestBinarySaysItsVersion: the stamp of the build reaches the user.
func TestBinarySaysItsVersion(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), programs.Daemun, "version").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(out, []byte(lab.Version)) {
		t.Errorf("daemun version prints %q, want %s in it", out, lab.Version)
	}
}
