package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// view builds a container's view of the file system inside the shim's own
// mount namespace.
//
// A mount needs something to be mounted on. Where a target is missing nothing
// is written to the machine: its nearest existing parent is covered by a tmpfs
// that shows the same entries (each bound to the original, so that writes
// below them go through), and the target is made there. When that parent is
// the root directory, the tmpfs becomes the new root.
type view struct {
	sources []int           // O_PATH descriptors, in the order of mounts
	covers  map[uint64]bool // device numbers of our own tmpfs
	placed  []placement     // mounts made so far
	oldRoot int             // descriptor of a root that was replaced, or -1
	lock    []string        // covers to make read-only at the end
	leftOut []string        // why optional mounts are not there
}

// wantedMount is a mount with its source opened.
type wantedMount struct {
	Mount
	fd       int
	optional bool
}

type placement struct {
	target   string // without symbolic links
	readOnly bool
}

// prepareView makes the private view that req asks for and enters its working
// directory's tree. It returns why optional mounts were left out.
func prepareView(req startRequest) (leftOut []string, err error) {
	home, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("working directory: %w", err)
	}
	// What the machine mounts later shows up here too; nothing goes back.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return nil, fmt.Errorf("make mounts private: %w", err)
	}
	if req.isolation.pid {
		flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
		if err := unix.Mount("proc", "/proc", "proc", flags, ""); err != nil {
			return nil, fmt.Errorf("mount /proc: %w", err)
		}
	}
	v := &view{covers: map[uint64]bool{}, oldRoot: -1}
	defer v.close()
	if err := v.mountAll(req.mounts, req.optional); err != nil {
		return nil, err
	}
	if req.dir != "" {
		// As container runtimes do. A failure shows when the program starts.
		_ = v.create(req.dir, true)
	}
	if err := v.finish(); err != nil {
		return nil, err
	}
	return v.leftOut, os.Chdir(home) // again: it may lie under a mount now
}

// mountAll opens all sources before it makes any mount, because a source names
// a place on the machine even if a mount covers it, and makes outer mounts
// before inner ones.
func (v *view) mountAll(mounts, optional []Mount) error {
	var all []wantedMount
	for i, m := range slices.Concat(mounts, optional) {
		w := wantedMount{Mount: m, optional: i >= len(mounts)}
		var err error
		if w.fd, err = unix.Open(m.Source, unix.O_PATH|unix.O_CLOEXEC, 0); err != nil {
			err = fmt.Errorf("volume for %q: %q: %w", m.Target, m.Source, err)
			if v.mayGoOn(w, err) {
				continue
			}
			return err
		}
		v.sources = append(v.sources, w.fd)
		w.Target = filepath.Clean(m.Target)
		all = append(all, w)
	}
	slices.SortStableFunc(all, func(a, b wantedMount) int {
		return strings.Count(a.Target, "/") - strings.Count(b.Target, "/")
	})
	for _, w := range all {
		if err := v.mount(w); err != nil {
			err = fmt.Errorf("mount at %q: %w", w.Target, err)
			if !v.mayGoOn(w, err) {
				return err
			}
		}
	}
	return nil
}

// mayGoOn says whether the view is good without this mount, and remembers why
// it lacks.
func (v *view) mayGoOn(w wantedMount, err error) bool {
	if w.optional {
		v.leftOut = append(v.leftOut, err.Error())
	}
	return w.optional
}

func (v *view) mount(m wantedMount) error {
	fd := m.fd
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	isDir := st.Mode&unix.S_IFMT == unix.S_IFDIR
	if m.optional {
		if err := v.replaceDangling(m.Target); err != nil {
			return err
		}
	}
	if err := v.create(m.Target, isDir); err != nil {
		return err
	}
	target, err := filepath.EvalSymlinks(m.Target)
	if err != nil {
		return err
	}
	if m.optional && !isDir {
		v.shelter(target)
	}
	info, err := os.Stat(target)
	if err != nil {
		return err
	}
	if info.IsDir() != isDir {
		if isDir {
			return fmt.Errorf("is a file, but its source %q is a directory", m.Source)
		}
		return fmt.Errorf("is a directory, but its source %q is a file", m.Source)
	}
	if err := bind(descriptorPath(fd), target); err != nil {
		return err
	}
	v.placed = append(v.placed, placement{target, m.ReadOnly})
	if m.ReadOnly {
		return makeReadOnly(target, true)
	}
	return nil
}

// create makes path exist in the view, as a directory or an empty file.
func (v *view) create(path string, isDir bool) error {
	parent, missing, err := splitExisting(path)
	if err != nil || len(missing) == 0 {
		return err
	}
	readOnly, err := v.prepareParent(parent)
	if err != nil {
		return err
	}
	full := filepath.Join(append([]string{parent}, missing...)...)
	if isDir {
		err = os.MkdirAll(full, 0o755)
	} else {
		err = createFile(full)
	}
	if err == nil && readOnly {
		v.lock = append(v.lock, parent)
	}
	return err
}

// prepareParent makes dir a place where entries may be created without
// touching the machine. readOnly says that it has to be locked afterwards.
func (v *view) prepareParent(dir string) (readOnly bool, err error) {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return false, err
	}
	if v.covers[st.Dev] {
		return false, nil
	}
	for _, p := range slices.Backward(v.placed) {
		if dir == p.target || strings.HasPrefix(dir, p.target+"/") {
			if !p.readOnly {
				return false, nil // the volume's own
			}
			return true, v.cover(dir)
		}
	}
	return false, v.cover(dir)
}

// cover puts a tmpfs over dir that shows dir's entries.
func (v *view) cover(dir string) error {
	under, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(under)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("needs the entries of %q: %w", dir, err)
	}
	if dir == "/" {
		return v.replaceRoot(under, entries)
	}
	if err := v.mountCover(dir, under); err != nil {
		return err
	}
	if err := populate(dir, descriptorPath(under), entries); err != nil {
		// Half a directory is worse than none of the changes.
		return errors.Join(err, unix.Unmount(dir, unix.MNT_DETACH))
	}
	return nil
}

// replaceDangling removes, in a cover, a link to something that does not
// exist: /etc/resolv.conf is one while the machine's resolver does not run.
func (v *view) replaceDangling(path string) error {
	if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return nil
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return err
	}
	readOnly, err := v.prepareParent(dir)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return err
	}
	if !v.covers[st.Dev] {
		return nil // a volume's own
	}
	if readOnly {
		v.lock = append(v.lock, dir)
	}
	return os.Remove(filepath.Join(dir, filepath.Base(path)))
}

// shelter covers the directory of a file that a service of the machine
// replaces by renaming (resolv.conf is often a link to such a file): with the
// old file the kernel would take away what is mounted on it. Where it fails the
// mount is good until then.
func (v *view) shelter(target string) {
	dir := filepath.Dir(target)
	if strings.HasPrefix(dir, "/run/") {
		_, _ = v.prepareParent(dir)
	}
	var st unix.Stat_t
	if unix.Stat(dir, &st) == nil && v.covers[st.Dev] {
		// The file of the cover is the place to mount on, not the machine's file
		// that is shown there.
		_ = unix.Unmount(target, unix.MNT_DETACH)
	}
}

// mountCover mounts an empty tmpfs that looks like the directory behind under.
func (v *view) mountCover(at string, under int) error {
	var st unix.Stat_t
	if err := unix.Fstat(under, &st); err != nil {
		return err
	}
	options := fmt.Sprintf("mode=%04o", st.Mode&0o7777)
	if err := unix.Mount("daemun", at, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return fmt.Errorf("cover %q: %w", at, err)
	}
	_ = os.Chown(at, int(st.Uid), int(st.Gid)) // foreign owners cannot be named in a user namespace
	if err := unix.Stat(at, &st); err != nil {
		return err
	}
	v.covers[st.Dev] = true
	return nil
}

// replaceRoot builds a cover of the root directory on top of some other
// directory, because nothing can be looked up through a mount on "/" itself,
// and makes it the root.
func (v *view) replaceRoot(root int, entries []fs.DirEntry) error {
	at := ""
	for _, e := range entries {
		if e.IsDir() && e.Name() != "proc" {
			at = e.Name()
			break
		}
	}
	if at == "" {
		return errors.New("the root directory has no directory")
	}
	// This one entry is hidden while the new root is built on top of it.
	hidden, err := unix.Open("/"+at, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(hidden)
	build := "/" + at
	if err := v.mountCover(build, root); err != nil {
		return err
	}
	// Keeps the new root out of the copy of the hidden entry.
	if err := unix.Mount("", build, "", unix.MS_UNBINDABLE, ""); err != nil {
		return err
	}
	others := slices.DeleteFunc(slices.Clone(entries), func(e fs.DirEntry) bool { return e.Name() == at })
	if err := populate(build, descriptorPath(root), others); err != nil {
		return err
	}
	if err := bindEntry(descriptorPath(hidden), filepath.Join(build, at), fs.ModeDir); err != nil {
		return err
	}
	return v.enterRoot(build)
}

// enterRoot makes the mount at build the root directory. The old root stays
// reachable until finish, since the sources of mounts to come lie there.
func (v *view) enterRoot(build string) error {
	old, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := os.Chdir(build); err != nil {
		_ = unix.Close(old)
		return err
	}
	if unix.PivotRoot(".", ".") == nil {
		v.oldRoot = old
	} else {
		_ = unix.Close(old)
		// The kernel cannot pivot away from an initial ramdisk.
		if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
			return fmt.Errorf("enter the private root: %w", err)
		}
		if err := unix.Chroot("."); err != nil {
			return fmt.Errorf("enter the private root: %w", err)
		}
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	return unix.Mount("", "/", "", unix.MS_PRIVATE, "")
}

// finish drops a replaced root and locks what lies in read-only volumes.
func (v *view) finish() error {
	for _, dir := range v.lock {
		if err := makeReadOnly(dir, false); err != nil {
			return fmt.Errorf("make %q read-only: %w", dir, err)
		}
	}
	if v.oldRoot < 0 {
		return nil
	}
	if err := unix.Fchdir(v.oldRoot); err != nil {
		return err
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leave the machine's root: %w", err)
	}
	return os.Chdir("/")
}

func (v *view) close() {
	for _, fd := range v.sources {
		_ = unix.Close(fd)
	}
	if v.oldRoot >= 0 {
		_ = unix.Close(v.oldRoot)
	}
}

// populate shows the entries of the directory at source in the empty directory
// dir.
func populate(dir, source string, entries []fs.DirEntry) error {
	for _, e := range entries {
		from, to := filepath.Join(source, e.Name()), filepath.Join(dir, e.Name())
		if e.Type()&fs.ModeSymlink != 0 {
			text, err := os.Readlink(from)
			if err == nil {
				err = os.Symlink(text, to)
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			continue
		}
		if err := bindEntry(from, to, e.Type()); err != nil {
			return err
		}
	}
	return nil
}

// bindEntry shows from at to, which it makes. What the user may not see (or
// what has just vanished) is left out.
func bindEntry(from, to string, mode fs.FileMode) error {
	var err error
	if mode.IsDir() {
		err = os.Mkdir(to, 0o755)
	} else {
		err = createFile(to)
	}
	if err != nil {
		return err
	}
	err = bind(from, to)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return os.Remove(to)
	}
	return err
}

// bind shows the tree at from at to. Submounts come along: in a user namespace
// the kernel refuses to reveal what lies under them.
func bind(from, to string) error {
	if err := unix.Mount(from, to, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return &fs.PathError{Op: "bind", Path: to, Err: err}
	}
	return nil
}

// makeReadOnly makes the mount at target read-only, with its submounts if
// deep.
func makeReadOnly(target string, deep bool) error {
	flags := uint(0)
	if deep {
		flags = unix.AT_RECURSIVE
	}
	err := unix.MountSetattr(unix.AT_FDCWD, target, flags, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
	if !errors.Is(err, unix.ENOSYS) {
		return err
	}
	// Before Linux 5.12, one mount at a time, and flags that the machine has set
	// must be repeated in a user namespace.
	var st unix.Statfs_t
	if err := unix.Statfs(target, &st); err != nil {
		return err
	}
	const kept = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME | unix.MS_NODIRATIME
	again := uintptr(st.Flags)&kept | unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY
	return unix.Mount("", target, "", again, "")
}

// splitExisting returns the nearest existing directory of path, without
// symbolic links, and the components below it that are missing.
func splitExisting(path string) (parent string, missing []string, err error) {
	path = filepath.Clean(path)
	for at := path; ; at = filepath.Dir(at) {
		real, err := filepath.EvalSymlinks(at)
		if err == nil {
			if len(missing) > 0 {
				if info, err := os.Stat(real); err == nil && !info.IsDir() {
					return "", nil, fmt.Errorf("%q is not a directory", at)
				}
			}
			return real, missing, nil
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) {
			return "", nil, err
		}
		if _, err := os.Lstat(at); err == nil {
			return "", nil, fmt.Errorf("%q is a symbolic link to something that does not exist", at)
		}
		missing = append([]string{filepath.Base(at)}, missing...)
	}
}

// createFile makes an empty file and the directories above it.
func createFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

// descriptorPath names what fd refers to, whatever is mounted over it since.
func descriptorPath(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }
