package lab

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

// build makes the programs: those of others come from the cache, those of this
// tree are built into dir.
func build(dir string) (Programs, error) {
	root, err := repository()
	if err != nil {
		return Programs{}, err
	}
	p := Programs{
		Root: root, Daemun: filepath.Join(dir, "daemun"),
		Image: filepath.Join(dir, "daemun.tar"), Pause: filepath.Join(dir, "pause.tar"),
	}
	modules := filepath.Join(root, "test", "cluster")
	flags, err := kubeFlags(filepath.Join(modules, "kube"))
	if err != nil {
		return p, err
	}
	if p.Kube, err = cached("kube", filepath.Join(modules, "kube"), ".", flags); err != nil {
		return p, err
	}
	p.Helm, err = cached("helm", filepath.Join(modules, "helm"), "helm.sh/helm/v4/cmd/helm", "-s -w")
	if err != nil {
		return p, err
	}
	return p, errors.Join(buildDaemun(p), buildPause(dir, p))
}

// buildDaemun builds the binary and the image as a release does.
func buildDaemun(p Programs) error {
	return run(p.Root, "go", "run", "./deploy/image", "-version", Version, "-name", ImageName, "-binary", p.Daemun, "-o", p.Image)
}

// buildPause makes the image that holds a Pod's namespaces on a real node.
func buildPause(dir string, p Programs) error {
	source, binary := filepath.Join(p.Root, "test", "cluster", "pause"), filepath.Join(dir, "pause")
	if err := run(source, "go", "build", "-trimpath", "-ldflags", "-s -w -buildid=", "-o", binary, "."); err != nil {
		return err
	}
	return run(p.Root, "go", "run", "./deploy/image", "-prebuilt", "-name", PauseName, "-binary", binary, "-o", p.Pause)
}

// kubeFlags are linker flags that make the programs say the version of
// Kubernetes they are: the module has it in its go.mod only.
func kubeFlags(dir string) (string, error) {
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return "", err
	}
	v := regexp.MustCompile(`k8s\.io/kubernetes (v(\d+)\.(\d+)\.\d+)`).FindSubmatch(mod)
	if v == nil {
		return "", fmt.Errorf("%s/go.mod does not require k8s.io/kubernetes", dir)
	}
	flags := "-s -w"
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		for _, stamp := range []string{
			"gitVersion=" + string(v[1]), "gitMajor=" + string(v[2]), "gitMinor=" + string(v[3]),
			"gitTreeState=clean", "gitCommit=none", "buildDate=1970-01-01T00:00:00Z",
		} {
			flags += " -X " + pkg + "." + stamp
		}
	}
	return flags, nil
}

// cached returns a program built from a module's folder. It stays in the user's
// cache folder under a key of all that decides what comes out, as a cold build
// of Kubernetes takes a quarter of an hour. Test runs at the same time build it
// once.
func cached(name, dir, pkg, ldflags string) (string, error) {
	key, err := cacheKey(dir, pkg, ldflags)
	if err != nil {
		return "", err
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(base, "daemun-test", name+"-"+key)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	lock, err := os.Create(filepath.Join(folder, "lock"))
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	path := filepath.Join(folder, name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	fmt.Fprintf(os.Stderr, "lab: building %s into %s; Kubernetes takes 8 to 17 minutes, once\n", name, folder)
	if err := run(dir, "nice", "-n", "10", "go", "build", "-trimpath", "-ldflags", ldflags, "-o", path+".new", pkg); err != nil {
		return "", err
	}
	return path, os.Rename(path+".new", path)
}

// cacheKey is a hash of the module's files, the flags and the Go version.
func cacheKey(dir, pkg, ldflags string) (string, error) {
	h := sha256.New()
	version, err := exec.Command("go", "env", "GOVERSION", "GOOS", "GOARCH").Output()
	if err != nil {
		return "", fmt.Errorf("go env: %w", err)
	}
	fmt.Fprintf(h, "%s\n%s\n%s\n", version, pkg, ldflags)
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return "", err
	}
	for _, file := range files { // Glob sorts
		text, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %d\n%s\n", filepath.Base(file), len(text), text)
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

// repository finds the top of the tree from the folder of the running test.
func repository() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	mod := strings.TrimSpace(string(out)) // …/test/cluster/go.mod
	return filepath.Dir(filepath.Dir(filepath.Dir(mod))), nil
}

// run runs a build command without cgo; what it prints comes with the error.
func run(dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s in %s: %w\n%s", strings.Join(cmd.Args, " "), dir, err, out.Bytes())
	}
	return nil
}
