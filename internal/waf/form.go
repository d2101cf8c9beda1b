package waf

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
)

const formData = "multipart/form-data"

// wanted is how much of the body is read: of forms that may hold files all that
// rules may see, of others enough to know that there is too much.
func (i *inspection) wanted() int {
	e := i.engine
	if media, _, err := mime.ParseMediaType(i.media); err == nil && media == formData {
		return e.bodyLimit
	}
	return min(e.bodyLimit, e.formLimit+1)
}

// withoutFiles is the length of a body without the content of the files in it,
// which no rule looks at. What cannot be told apart counts in full.
func withoutFiles(b []byte, contentType string) int {
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil || media != formData || params["boundary"] == "" {
		return len(b)
	}
	rest := len(b)
	parts := multipart.NewReader(bytes.NewReader(b), params["boundary"])
	for {
		part, err := parts.NextRawPart()
		if err != nil {
			return rest
		}
		if part.FileName() == "" {
			continue
		}
		n, err := io.Copy(io.Discard, part)
		rest -= int(n)
		if err != nil {
			return rest
		}
	}
}
