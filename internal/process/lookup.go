package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// defaultPath is searched when the environment has no PATH; it is what
// container engines use.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// lookProgram finds the file of a command in the PATH of env. dir is the
// absolute working directory, for relative names.
func lookProgram(name string, env []string, dir string) (string, *startFailure) {
	if strings.Contains(name, "/") {
		path := absolute(name, dir)
		if err := runnable(path); err != nil {
			return "", execFailure(name, path, err)
		}
		return path, nil
	}
	search := defaultPath
	for _, variable := range env {
		if value, ok := strings.CutPrefix(variable, "PATH="); ok {
			search = value // the last one wins, as in a shell's own lookup
		}
	}
	var denied error
	for _, folder := range filepath.SplitList(search) {
		path := absolute(filepath.Join(folder, name), dir)
		err := runnable(path)
		if err == nil {
			return path, nil
		}
		if errors.Is(err, syscall.EACCES) && denied == nil {
			denied = err
		}
	}
	if denied != nil {
		return "", &startFailure{126, fmt.Sprintf("exec %q: found in PATH (%s), but not executable", name, search)}
	}
	return "", &startFailure{127, fmt.Sprintf("exec %q: not found in PATH (%s)", name, search)}
}

// runnable reports whether path is a file that may be executed.
func runnable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return syscall.EISDIR
	}
	return unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS)
}

// execFailure puts into a sentence why path, asked for as name, does not
// start.
func execFailure(name, path string, err error) *startFailure {
	fault := func(code int, text string) *startFailure {
		return &startFailure{code, fmt.Sprintf("exec %q: %s", name, text)}
	}
	switch {
	case errors.Is(err, syscall.ENOENT):
		if runnable(path) == nil {
			if interpreter := scriptInterpreter(path); interpreter != "" {
				return fault(127, fmt.Sprintf("no such file: its interpreter %q", interpreter))
			}
			return fault(127, "no such file: the loader or library it was linked for is missing")
		}
		return fault(127, "no such file")
	case errors.Is(err, syscall.ENOTDIR):
		return fault(127, "no such file: a part of the path is not a directory")
	case errors.Is(err, syscall.EISDIR):
		return fault(126, "is a directory")
	case errors.Is(err, syscall.EACCES):
		return fault(126, "permission denied (is it executable?)")
	case errors.Is(err, syscall.ENOEXEC):
		return fault(126, "not a program for this machine, and not a script with a #! line")
	case errors.Is(err, syscall.E2BIG):
		return fault(126, "arguments and environment are too long")
	default:
		return fault(126, err.Error())
	}
}

// scriptInterpreter returns the interpreter of a script's first line, or "".
func scriptInterpreter(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	head := make([]byte, 256) // the kernel reads no more
	n, _ := f.Read(head)
	line, _, _ := strings.Cut(string(head[:n]), "\n")
	rest, ok := strings.CutPrefix(line, "#!")
	if fields := strings.Fields(rest); ok && len(fields) > 0 {
		return fields[0]
	}
	return ""
}

// checkDir says what is wrong with a working directory.
func checkDir(dir string) *startFailure {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return &startFailure{128, fmt.Sprintf("working directory %q: no such directory", dir)}
	case err != nil:
		return &startFailure{128, fmt.Sprintf("working directory %q: %v", dir, err)}
	case !info.IsDir():
		return &startFailure{128, fmt.Sprintf("working directory %q: not a directory", dir)}
	}
	return nil
}
