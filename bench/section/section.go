// Package section puts the parts of a report, made by several programs, into
// one file.
package section

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Replace writes a section, which begins with its title line "## …", in the
// place of the one of that title, or at the end of the file. A file that does
// not exist is made.
func Replace(path, text string) error {
	text = strings.Trim(text, "\n") + "\n"
	title, _, _ := strings.Cut(text, "\n")
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	head, rest, found := bytes.Cut(old, []byte(title+"\n"))
	var tail []byte
	if found {
		if i := bytes.Index(rest, []byte("\n## ")); i >= 0 {
			tail = rest[i:]
		}
	}
	if head = bytes.TrimRight(head, "\n"); len(head) > 0 {
		head = append(head, "\n\n"...)
	}
	return os.WriteFile(filepath.Clean(path), append(append(head, text...), tail...), 0o644)
}
