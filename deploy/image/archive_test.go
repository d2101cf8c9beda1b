package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pack makes the archive of a small program in place of Daemun.
func pack(t *testing.T) map[string][]byte {
	t.Helper()
	program := filepath.Join(t.TempDir(), "daemun")
	if err := os.WriteFile(program, []byte("#!program"), 0o700); err != nil {
		t.Fatal(err)
	}
	var out, again bytes.Buffer
	if err := writeArchive(&out, "docker.io/daemun/daemun:v1", "amd64", contents(program)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(program, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if err := writeArchive(&again, "docker.io/daemun/daemun:v1", "amd64", contents(program)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), again.Bytes()) {
		t.Error("two archives of the same program differ")
	}
	files := map[string][]byte{}
	for name, f := range entries(t, out.Bytes()) {
		files[name] = f.text
	}
	return files
}

type entry struct {
	header *tar.Header
	text   []byte
}

func entries(t *testing.T, archive []byte) map[string]entry {
	t.Helper()
	found := map[string]entry{}
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		found[h.Name] = entry{h, text}
	}
}

func TestBlobsAreNamedForTheirContents(t *testing.T) {
	t.Parallel()
	blobs := 0
	for name, text := range pack(t) {
		if digest, ok := strings.CutPrefix(name, "blobs/sha256/"); ok {
			blobs++
			if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != digest {
				t.Errorf("%s holds something else", name)
			}
		}
	}
	if blobs != 3 {
		t.Errorf("%d blobs, want layer, configuration and manifest", blobs)
	}
}

func TestDockerAndOCISeeTheSameImage(t *testing.T) {
	t.Parallel()
	files := pack(t)
	var docker []struct {
		Config           string
		RepoTags, Layers []string
	}
	var index struct{ Manifests []descriptor }
	unmarshal(t, files["manifest.json"], &docker)
	unmarshal(t, files["index.json"], &index)
	var manifest struct {
		Config descriptor
		Layers []descriptor
	}
	unmarshal(t, files[blobPath(index.Manifests[0])], &manifest)
	if docker[0].Config != blobPath(manifest.Config) || docker[0].Layers[0] != blobPath(manifest.Layers[0]) {
		t.Errorf("docker sees %+v, OCI %+v", docker[0], manifest)
	}
	if name := index.Manifests[0].Annotations["io.containerd.image.name"]; name != docker[0].RepoTags[0] {
		t.Errorf("docker calls it %s, containerd %s", docker[0].RepoTags[0], name)
	}
}

func TestImageRunsTheProgramWithoutRoot(t *testing.T) {
	t.Parallel()
	files := pack(t)
	for name, text := range files {
		var config struct {
			Config struct {
				User string
				Cmd  []string
			}
		}
		if !strings.HasPrefix(name, "blobs/") || json.Unmarshal(text, &config) != nil || config.Config.User == "" {
			continue
		}
		if config.Config.User != "65532:65532" || config.Config.Cmd[0] != "/daemun" {
			t.Errorf("configuration %s", text)
		}
		return
	}
	t.Error("no configuration found")
}

func TestLayerHasTheNamesOfIngressNginx(t *testing.T) {
	t.Parallel()
	var layer map[string]entry
	for name, text := range pack(t) {
		if strings.HasPrefix(name, "blobs/") && !json.Valid(text) {
			layer = entries(t, text)
		}
	}
	for _, name := range []string{"nginx-ingress-controller", "wait-shutdown"} {
		if h := layer[name].header; h == nil || h.Linkname != "daemun" {
			t.Errorf("%s is no link to the program: %+v", name, h)
		}
	}
	// As `getcap -n` shows it for a file after `setcap cap_net_bind_service=ep`.
	const want = "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	if got := layer["daemun"].header.PAXRecords["SCHILY.xattr.security.capability"]; got != want {
		t.Errorf("capability %q, want %q", got, want)
	}
}

func unmarshal(t *testing.T, text []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// TestDockerfileMakesTheSame: the other way to the image is not run here, so it
// is read.
func TestDockerfileMakesTheSame(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"FROM scratch\n", "USER " + user + ":" + user + "\n", "ENV PATH=/\n", "CMD [\"/daemun\"]\n", strings.ReplaceAll(linkerFlags("$VERSION"), `"`, "")} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the Dockerfile has no %q", want)
		}
	}
	for _, f := range contents("") {
		if !strings.Contains(string(text), "/image/"+f.name) || !strings.Contains(string(text), strings.TrimSpace(f.text)) {
			t.Errorf("the Dockerfile does not make %s", f.name)
		}
	}
}
