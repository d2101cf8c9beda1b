package annotation

import (
	"errors"
	"regexp"
	"strings"
)

var fileChars = regexp.MustCompile(`^[-._a-zA-Z0-9]+$`)

func parseFastCGIIndex(s string, v *Values) error {
	if s = strings.TrimSpace(s); len(s) > 255 || !fileChars.MatchString(s) {
		return errors.New("is no file name: it may hold letters, digits and -._ only, such as index.php")
	}
	v.FastCGIIndex = s
	return nil
}
