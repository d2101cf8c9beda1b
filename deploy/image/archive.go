package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"strings"
	"time"
)

// user runs the program: the one "nonroot" of other minimal images.
const user = "65532"

// file is one entry of the image's only layer: a copy of a file, a symbolic
// link, a text or a folder.
type file struct {
	name     string
	from     string // copied, executable; with the capability if bindLow
	link     string
	text     string
	mode     int64 // of a folder; a folder has nothing else
	bindLow  bool
	isFolder bool
}

// contents are the files of Daemun's image. The first is what runs if nothing
// else is said.
func contents(daemun string) []file {
	return []file{
		{name: "daemun", from: daemun, bindLow: true},
		// What the manifests of ingress-nginx call: the program looks at its name.
		{name: "nginx-ingress-controller", link: "daemun"},
		{name: "wait-shutdown", link: "daemun"},
		{name: "etc", mode: 0o755, isFolder: true},
		{name: "etc/passwd", text: "daemun:x:65532:65532::/:/daemun\n"},
		{name: "etc/group", text: "daemun:x:65532:\n"},
		{name: "tmp", mode: 0o1777, isFolder: true},
	}
}

// bindLowPorts is the file capability CAP_NET_BIND_SERVICE, permitted and
// effective, as the kernel stores it (struct vfs_cap_data, revision 2). A
// container's capabilities reach a program that is not root only through the
// file; ingress-nginx's binaries carry the same one.
func bindLowPorts() string {
	const revision2, effective, netBindService = 0x02000000, 1, 1 << 10
	var b []byte
	for _, word := range []uint32{revision2 | effective, netBindService, 0, 0, 0} {
		b = binary.LittleEndian.AppendUint32(b, word)
	}
	return string(b)
}

// header is a tar header with everything that varies between machines left out.
func (f file) header(size int64) *tar.Header {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: 0o644, Size: size, ModTime: time.Unix(0, 0), Format: tar.FormatPAX}
	switch {
	case f.isFolder:
		h.Typeflag, h.Name, h.Mode = tar.TypeDir, f.name+"/", f.mode
	case f.link != "":
		h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, f.link, 0o777
	case f.from != "":
		h.Mode = 0o755
	}
	if f.bindLow {
		h.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": bindLowPorts()}
	}
	return h
}

// layerOf packs files in their order.
func layerOf(files []file) ([]byte, error) {
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	for _, f := range files {
		text := []byte(f.text)
		if f.from != "" {
			var err error
			if text, err = os.ReadFile(f.from); err != nil {
				return nil, err
			}
		}
		if err := w.WriteHeader(f.header(int64(len(text)))); err != nil {
			return nil, err
		}
		if _, err := w.Write(text); err != nil {
			return nil, err
		}
	}
	return layer.Bytes(), w.Close()
}

// descriptor names a blob of an OCI image.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// writeArchive writes an image of one layer as an OCI layout that is a
// docker-archive too, so that every engine can load it.
func writeArchive(out io.Writer, name, arch string, files []file) error {
	layer, err := layerOf(files)
	if err != nil {
		return err
	}
	a := archive{tar: tar.NewWriter(out)}
	layerBlob := a.blob("application/vnd.oci.image.layer.v1.tar", layer)
	config := a.json("application/vnd.oci.image.config.v1+json", map[string]any{
		"created": "1970-01-01T00:00:00Z", "architecture": arch, "os": "linux",
		// A command and no entrypoint: manifests for ingress-nginx give the path
		// of the program as their first argument.
		"config":  map[string]any{"User": user + ":" + user, "Cmd": []string{"/" + files[0].name}, "Env": []string{"PATH=/"}, "WorkingDir": "/"},
		"rootfs":  map[string]any{"type": "layers", "diff_ids": []string{layerBlob.Digest}},
		"history": []any{map[string]any{"created": "1970-01-01T00:00:00Z", "created_by": "daemun/deploy/image"}},
	})
	manifest := a.json("application/vnd.oci.image.manifest.v1+json", map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": []descriptor{layerBlob},
	})
	tag := name[strings.LastIndex(name, ":")+1:]
	manifest.Annotations = map[string]string{"io.containerd.image.name": name, "org.opencontainers.image.ref.name": tag}
	a.file("index.json", marshal(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []descriptor{manifest},
	}))
	a.file("manifest.json", marshal([]any{map[string]any{
		"Config": blobPath(config), "RepoTags": []string{name}, "Layers": []string{blobPath(layerBlob)},
	}}))
	a.file("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	if a.err != nil {
		return a.err
	}
	return a.tar.Close()
}

// archive writes files until the first error, which it keeps.
type archive struct {
	tar *tar.Writer
	err error
}

func (a *archive) file(name string, text []byte) {
	if a.err == nil {
		a.err = a.tar.WriteHeader(file{name: name}.header(int64(len(text))))
	}
	if a.err == nil {
		_, a.err = a.tar.Write(text)
	}
}

func (a *archive) blob(mediaType string, text []byte) descriptor {
	sum := sha256.Sum256(text)
	d := descriptor{MediaType: mediaType, Digest: "sha256:" + hex.EncodeToString(sum[:]), Size: len(text)}
	a.file(blobPath(d), text)
	return d
}

func (a *archive) json(mediaType string, v any) descriptor { return a.blob(mediaType, marshal(v)) }

func blobPath(d descriptor) string { return "blobs/" + strings.Replace(d.Digest, ":", "/", 1) }

// marshal is JSON with sorted keys.
func marshal(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // only maps, slices and text come here
	}
	return text
}
