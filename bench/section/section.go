// Package section puts the parts of a report, made by several programs, into
// one file.
package section

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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
	// Concat copies: head and tail are views of the same memory.
	var gap []byte
	if head = bytes.TrimRight(head, "\n"); len(head) > 0 {
		gap = []byte("\n\n")
	}
	return os.WriteFile(filepath.Clean(path), slices.Concat(head, gap, []byte(text), tail), 0o644)
}

// Split returns the sections of a text that consists of them.
func Split(text string) []string {
	var list []string
	for i, one := range strings.Split("\n"+strings.TrimSpace(text), "\n## ") {
		if i > 0 {
			list = append(list, "## "+one)
		}
	}
	return list
}

// Head puts text above the first section of a file, in the place of what is
// there. A file that does not exist is made.
func Head(path, text string) error {
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	new := []byte(strings.TrimSpace(text) + "\n")
	if i := bytes.Index(append([]byte("\n"), old...), []byte("\n## ")); i >= 0 {
		new = append(append(new, '\n'), old[i:]...)
	}
	return os.WriteFile(filepath.Clean(path), new, 0o644)
}
