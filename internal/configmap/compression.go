package configmap

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"daemun/internal/ir"
)

// compressedTypes are ingress-nginx's defaults of gzip-types; brotli-types has
// one more.
const compressedTypes = "application/atom+xml application/javascript application/x-javascript application/json application/rss+xml " +
	"application/vnd.ms-fontobject application/x-font-ttf application/x-web-app-manifest+json application/xhtml+xml application/xml " +
	"font/opentype image/svg+xml image/x-icon text/css text/javascript text/plain text/x-component"

const brotliTypes = "application/xml+rss " + compressedTypes

// compression is what the keys about it say, until it is settled.
type compression struct {
	useGzip, useBrotli bool
	gzip, brotli       ir.Coding
	gzipDisable        []string
}

func defaultCompression() compression {
	return compression{
		gzip:   ir.Coding{Level: 1, MinLength: 256, Types: strings.Fields(compressedTypes)},
		brotli: ir.Coding{Level: 4, MinLength: 20, Types: strings.Fields(brotliTypes)},
	}
}

// settle returns nil when nothing is compressed.
func (c *compression) settle() *ir.Compression {
	if !c.useGzip && !c.useBrotli {
		return nil
	}
	made := &ir.Compression{}
	if c.useGzip {
		gzip := c.gzip
		made.Gzip, made.GzipDisable = &gzip, c.gzipDisable
	}
	if c.useBrotli {
		brotli := c.brotli
		made.Brotli = &brotli
	}
	return made
}

// maxMediaType bounds each half of a media type (RFC 6838, 4.2).
const maxMediaType = 127

var mediaType = regexp.MustCompile(`^[-!#$&^_.+a-zA-Z0-9]+/[-!#$&^_.+a-zA-Z0-9]+$`)

func isMediaType(t string) bool {
	kind, subtype, _ := strings.Cut(t, "/")
	return len(kind) <= maxMediaType && len(subtype) <= maxMediaType && mediaType.MatchString(t)
}

// mediaTypes reads media types with blanks between them.
func mediaTypes(set func(v *Values, types []string)) func(string, *Values) error {
	return func(s string, v *Values) error {
		types := strings.Fields(s)
		for _, t := range types {
			if t != "*" && !isMediaType(t) {
				return fmt.Errorf("holds %.60q, which is no media type: write types such as text/css with blanks between them, or *", t)
			}
		}
		slices.Sort(types)
		set(v, slices.Compact(types))
		return nil
	}
}

// maxDisable bounds the expressions of gzip-disable and each of them (H6.21).
const maxDisable, maxDisableText = 20, 1024

// msie6 is what nginx takes "msie6" for: old versions of a browser, but not
// the last one of them, which says SV1 behind its number.
const msie6 = `MSIE (?:[45]\.|6\.(?:[^S]|S+(?:VS+)*(?:[^SV]|V[^1S]))*(?:S+(?:VS+)*V?)?$)`

// parseGzipDisable reads expressions with blanks between them. "msie6" is the
// name that nginx has for one.
func parseGzipDisable(s string, v *Values) error {
	if len(s) > maxDisableText {
		return fmt.Errorf("is longer than %d bytes", maxDisableText)
	}
	words := strings.Fields(strings.ReplaceAll(s, `"`, ""))
	if len(words) > maxDisable {
		return fmt.Errorf("has more than %d expressions", maxDisable)
	}
	for i, word := range words {
		if word == "msie6" {
			words[i] = msie6
			continue
		}
		if _, err := regexp.Compile(word); err != nil {
			return errors.New("is not a regular expression of RE2: " + strconv.Quote(word))
		}
	}
	v.compression.gzipDisable = words
	return nil
}
