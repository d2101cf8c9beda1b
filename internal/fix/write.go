package fix

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Write replaces a file by its mended text. It is there whole or not at all,
// with the owner and the mode that it had; a file that is no longer what was
// mended is left alone.
func Write(path string, before, after []byte) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	now, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !bytes.Equal(now, before) {
		return fmt.Errorf("%s was changed in the meantime: left as it is", path)
	}
	state, err := os.Stat(path)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone when it was renamed
	if err := fill(f, after, state); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	if now, err = os.ReadFile(path); err != nil {
		return err
	}
	if !bytes.Equal(now, after) {
		return fmt.Errorf("%s does not hold what was written to it", path)
	}
	return nil
}

func fill(f *os.File, text []byte, like os.FileInfo) error {
	defer f.Close()
	if _, err := f.Write(text); err != nil {
		return err
	}
	if owner, ok := like.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != os.Geteuid() {
		if err := f.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
			return err
		}
	}
	if err := f.Chmod(like.Mode().Perm()); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}
