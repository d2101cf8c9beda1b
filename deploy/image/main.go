// Command image builds Daemun's container image without a container engine: a
// static binary, the names ingress-nginx's manifests call it by, and nothing
// else. What it writes can be loaded by docker, podman and containerd, and two
// builds of the same tree are the same bytes.
//
//	go run ./deploy/image -version v1.2.3 -o daemun.tar
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	version, name, arch string
	binary, output      string
	prebuilt            bool
}

func run(args []string) error {
	var o options
	f := flag.NewFlagSet("image", flag.ContinueOnError)
	f.StringVar(&o.version, "version", "development", "what `daemun version` says")
	f.StringVar(&o.name, "name", "", "name and tag of the image (default docker.io/daemun/daemun:VERSION)")
	f.StringVar(&o.arch, "arch", "amd64", "processor: amd64 or arm64")
	f.StringVar(&o.binary, "binary", "", "where to leave the binary (default: nowhere)")
	f.BoolVar(&o.prebuilt, "prebuilt", false, "pack the file of -binary as it is, under its own name only")
	f.StringVar(&o.output, "o", "daemun.tar", "image archive to write")
	if err := f.Parse(args); err != nil {
		return err
	}
	if o.name == "" {
		o.name = "docker.io/daemun/daemun:" + o.version
	}
	if o.prebuilt {
		return o.pack([]file{{name: filepath.Base(o.binary), from: o.binary}})
	}
	if o.binary == "" {
		dir, err := os.MkdirTemp("", "daemun-image-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.binary = filepath.Join(dir, "daemun")
	}
	if err := o.build(); err != nil {
		return err
	}
	return o.pack(contents(o.binary))
}

// tags are what the image has and other builds have not: the firewall, which
// takes no files for anything.
const tags = "waf,no_fs_access,coraza.disabled_operators.validateSchema"

// build compiles the program so that only the tree, the version and the Go
// release decide what comes out.
func (o options) build() error {
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-tags", tags,
		"-ldflags", linkerFlags(o.version), "-o", o.binary, "daemun/cmd/daemun")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+o.arch, "GOFLAGS=-mod=readonly")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build daemun: %w", err)
	}
	return nil
}

// linkerFlags leave out what differs between builds, and stamp the version.
func linkerFlags(version string) string { return "-s -w -buildid= -X main.version=" + version }

func (o options) pack(files []file) error {
	out, err := os.Create(o.output)
	if err != nil {
		return err
	}
	err = errors.Join(writeArchive(out, o.name, o.arch, files), out.Close())
	if err != nil {
		os.Remove(o.output)
		return fmt.Errorf("write %s: %w", o.output, err)
	}
	return nil
}
