package dashboard

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"mime"
	"net/http"
	"path"
)

//go:embed static
var staticFiles embed.FS

// assets are the files that pages refer to. Their URLs hold a hash, so that
// browsers may keep them.
type assets map[string]asset

type asset struct {
	body []byte
	hash string
}

func newAssets() assets {
	all := assets{}
	files, err := staticFiles.ReadDir("static")
	if err != nil {
		panic(err) // embedded
	}
	for _, f := range files {
		body, err := staticFiles.ReadFile("static/" + f.Name())
		if err != nil {
			panic(err) // embedded
		}
		sum := sha256.Sum256(body)
		all[f.Name()] = asset{body, hex.EncodeToString(sum[:6])}
	}
	return all
}

// url is where a file is.
func (a assets) url(name string) string { return "/static/" + name + "?v=" + a[name].hash }

func (a assets) serve(w http.ResponseWriter, r *http.Request) {
	file, ok := a[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(r.PathValue("name"))))
	if r.URL.Query().Get("v") == file.hash {
		w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
	}
	_, _ = w.Write(file.body) // fails when the reader has gone
}
