package examples

import (
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"testing"

	"daemun/internal/daemuntest"
)

// zeros is an endless body.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestUploadOfOneGigabyte: a body of the length that the Ingress allows goes
// through, and Daemun does not hold it.
func TestUploadOfOneGigabyte(t *testing.T) {
	t.Parallel()
	folder, err := filepath.Abs("from-ingress-nginx/uploads")
	if err != nil {
		t.Fatal(err)
	}
	d := daemuntest.Up(t, daemuntest.Options{Bin: daemuntest.Build(t), Paths: []string{folder}}, nil)
	const length = 1 << 30
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+d.HTTP+"/upload", io.LimitReader(zeros{}, length))
	if err != nil {
		t.Fatal(err)
	}
	req.Host, req.ContentLength = "files.example.com", length
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got struct {
		BodyBytes int64 `json:"bodyBytes"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || got.BodyBytes != length {
		t.Errorf("%s: %d octets arrived, %v", resp.Status, got.BodyBytes, err)
	}
	if rss := daemuntest.RSS(t, d.Process.Pid); rss > length/4 {
		t.Errorf("Daemun has %d MiB of memory after an upload that it streams", rss>>20)
	}
}
