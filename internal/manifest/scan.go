package manifest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"daemun/internal/ir"
)

// stdinName is how standard input is called in problems.
const stdinName = "stdin"

// scan is one walk over the paths.
type scan struct {
	first    bool
	known    map[string]*file
	files    map[string]os.FileInfo // nil: cannot be read, see problems
	folders  map[string]bool
	targets  map[string]bool // those of folders that links lead into
	seen     map[string]bool // real paths: against loops of links, and what is named twice
	problems []ir.Problem
}

// scanPaths finds all files. The error is that of a path that does not exist
// at the first Load.
func (l *Loader) scanPaths() (*scan, error) {
	s := &scan{first: !l.loaded, known: l.files, files: map[string]os.FileInfo{}, folders: map[string]bool{}, targets: map[string]bool{}, seen: map[string]bool{}}
	for _, path := range l.paths {
		if path == "-" {
			continue
		}
		path = filepath.Clean(path)
		info, err := os.Stat(path)
		switch {
		case err == nil && info.IsDir() && !s.wasFile(path):
			s.named(path)
		case err == nil:
			s.file(path, info)
		case errors.Is(err, fs.ErrNotExist) && s.first:
			return nil, fmt.Errorf("%s does not exist: give a file or folder of manifests, or - for standard input", path)
		case errors.Is(err, fs.ErrNotExist) && !s.dangling(path):
			s.folders[filepath.Dir(path)] = true
			s.problem(path, ir.SeverityWarning, "does not exist any more: its objects are gone")
		default:
			s.file(path, nil)
		}
	}
	return s, nil
}

func (s *scan) problem(path string, severity ir.Severity, message string) {
	s.problems = append(s.problems, ir.Problem{Code: CodeUnreadable, Severity: severity, File: path, Message: message})
}

// wasFile reports whether a path that is a folder now held objects as a file:
// it counts as a file that cannot be read.
func (s *scan) wasFile(path string) bool {
	f := s.known[path]
	return f != nil && len(f.objects) > 0
}

func (s *scan) dangling(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// again reports whether a file or folder was met before, perhaps under another
// name: given both relatively and absolutely, or behind a link. It counts once.
func (s *scan) again(path string) bool {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		real = path // dangling: its name is all it has
	}
	if abs, err := filepath.Abs(real); err == nil {
		real = abs
	}
	if s.seen[real] {
		return true
	}
	s.seen[real] = true
	return false
}

// file notes a file that is named directly; info is nil when the file could not
// even be found.
func (s *scan) file(path string, info os.FileInfo) {
	if s.again(path) {
		return
	}
	s.files[path] = info
	s.folders[filepath.Dir(path)] = true
	if link, err := os.Lstat(path); err == nil && link.Mode()&fs.ModeSymlink != 0 {
		s.followed(path)
	}
}

// followed watches the folder where a link leads to.
func (s *scan) followed(path string) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		s.folders[filepath.Dir(target)] = true
		s.targets[filepath.Dir(target)] = true
	}
}

// named is folder for one that the user named.
func (s *scan) named(path string) {
	if s.again(path) {
		return
	}
	before := len(s.problems)
	s.walk(path)
	if len(s.problems) == before && !s.holds(path) {
		s.problems = append(s.problems, ir.Problem{
			Code: CodeEmptyFolder, Severity: ir.SeverityWarning, File: path,
			Message: "holds no manifests: give a folder with files named *.yaml, *.yml or *.json, or put some here",
		})
	}
	if link, err := os.Lstat(path); err == nil && link.Mode()&fs.ModeSymlink != 0 {
		// The link may be pointed somewhere else.
		s.folders[filepath.Dir(path)] = true
	}
}

// holds reports whether a file was found below a folder.
func (s *scan) holds(folder string) bool {
	for path := range s.files {
		if rel, err := filepath.Rel(folder, path); err == nil && filepath.IsLocal(rel) {
			return true
		}
	}
	return false
}

func (s *scan) folder(path string) {
	if !s.again(path) {
		s.walk(path)
	}
}

func (s *scan) walk(path string) {
	s.folders[path] = true
	entries, err := os.ReadDir(path)
	if err != nil {
		s.problem(path, ir.SeverityError, "cannot be read: "+reason(err)+"; what was read from it before stays")
		for known := range s.known {
			if strings.HasPrefix(known, path+string(filepath.Separator)) {
				s.files[known] = s.known[known].info
			}
		}
		return
	}
	for _, e := range entries {
		s.entry(filepath.Join(path, e.Name()), e)
	}
}

func (s *scan) entry(path string, e os.DirEntry) {
	wanted := wantedName(path)
	if strings.HasPrefix(e.Name(), ".") || !e.IsDir() && e.Type()&fs.ModeSymlink == 0 && !wanted {
		return
	}
	var info os.FileInfo
	var err error
	if e.Type()&fs.ModeSymlink != 0 {
		info, err = os.Stat(path)
		s.followed(path)
	} else {
		info, err = e.Info()
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) && e.Type()&fs.ModeSymlink == 0:
		// Deleted since the folder was read.
	case err != nil:
		if wanted {
			s.files[path] = nil
		}
	case info.IsDir() && !s.wasFile(path):
		s.folder(path)
	case wanted && info.Mode()&fs.ModeNamedPipe == 0 && !s.again(path): // opening a pipe would wait
		s.files[path] = info
	}
}

func wantedName(path string) bool {
	if strings.HasPrefix(filepath.Base(path), ".") {
		return false
	}
	switch strings.ToLower(filepath.Ext(path)) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

// reason is the last part of a file error: "permission denied".
func reason(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}
