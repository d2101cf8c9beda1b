package standalone

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// dataLink is the link that is swapped; readers go through it.
const dataLink = "..data"

// write makes dir show exactly the payload's files, all at once: the files go
// into a new versioned folder, and one rename of the link ..data switches every
// reader (the kubelet's way; programs watch for exactly this). Unchanged
// content writes nothing.
func (p *payload) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	old, err := os.Readlink(filepath.Join(dir, dataLink))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if old != "" && p.same(filepath.Join(dir, old)) {
		return nil
	}
	version, err := os.MkdirTemp(dir, "..v")
	if err != nil {
		return err
	}
	if err := os.Chmod(version, 0o755); err != nil {
		return err
	}
	if err := p.fill(version); err != nil {
		return errors.Join(err, os.RemoveAll(version))
	}
	if err := swapLink(dir, dataLink, filepath.Base(version)); err != nil {
		return err
	}
	if err := p.link(dir); err != nil {
		return err
	}
	if old != "" {
		return os.RemoveAll(filepath.Join(dir, old))
	}
	return nil
}

func (p *payload) fill(version string) error {
	for name, f := range p.files {
		path := filepath.Join(version, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, f.data, f.mode); err != nil {
			return err
		}
		if err := os.Chmod(path, f.mode); err != nil { // the umask does not count
			return err
		}
	}
	return nil
}

func swapLink(dir, name, target string) error {
	temporary := filepath.Join(dir, name+"_tmp")
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(target, temporary); err != nil {
		return err
	}
	return os.Rename(temporary, filepath.Join(dir, name))
}

// link makes the visible names, one for each first path element, and removes
// those that are gone.
func (p *payload) link(dir string) error {
	visible := map[string]bool{}
	for name := range p.files {
		first, _, _ := strings.Cut(name, string(filepath.Separator))
		visible[first] = true
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "..") && !visible[e.Name()] {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(visible)) {
		err := os.Symlink(filepath.Join(dataLink, name), filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("link %s: %w", name, err)
		}
	}
	return nil
}

// same reports whether a version holds exactly these files.
func (p *payload) same(version string) bool {
	n := 0
	err := filepath.WalkDir(version, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(version, path)
		if err != nil {
			return err
		}
		f, ok := p.files[name]
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if !ok || !bytes.Equal(data, f.data) || info.Mode().Perm() != f.mode {
			return fs.ErrInvalid
		}
		n++
		return nil
	})
	return err == nil && n == len(p.files)
}
