package admin

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"daemun/internal/store"
)

// followInterval is how often a followed log file is looked at again.
const followInterval = 200 * time.Millisecond

// logs writes the log of a container: query parameters container, tail (number
// of lines), since (how old the first one may be), follow (true), timestamps
// (true).
func (s server) logs(w http.ResponseWriter, r *http.Request) {
	path, err := s.logFile(store.Name{Namespace: r.PathValue("namespace"), Name: r.PathValue("pod")}, r.URL.Query().Get("container"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return // the container has not started: an empty log
	} else if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer f.Close()
	if n, err := strconv.Atoi(r.URL.Query().Get("tail")); err == nil && n >= 0 {
		if err := seekTail(f, n); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	if age, err := time.ParseDuration(r.URL.Query().Get("since")); err == nil {
		if err := seekSince(f, time.Now().Add(-age)); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	stamps := r.URL.Query().Get("timestamps") == "true"
	if err := copyLog(w, f, stamps); err != nil || r.URL.Query().Get("follow") != "true" {
		return
	}
	followLog(r.Context(), w, f, stamps)
}

// logFile finds the file of a container; an empty container name means the
// only one.
func (s server) logFile(pod store.Name, container string) (string, error) {
	p := s.View().Pods[pod]
	if p == nil || s.LogPath == nil {
		return "", fmt.Errorf("pod %s/%s not found%s", pod.Namespace, pod.Name, s.meant(pod))
	}
	var names []string
	for _, c := range slices.Concat(p.Spec.Containers, p.Spec.InitContainers) {
		names = append(names, c.Name)
	}
	if container == "" && len(p.Spec.Containers) > 1 {
		return "", fmt.Errorf("pod %s/%s has several containers: choose one of %s with -c", pod.Namespace, pod.Name, strings.Join(names, ", "))
	}
	if container == "" {
		container = firstContainer(p)
	}
	if !slices.Contains(names, container) {
		return "", fmt.Errorf("pod %s/%s has no container %q; it has %s", pod.Namespace, pod.Name, container, strings.Join(names, ", "))
	}
	return s.LogPath(pod, container), nil
}

// meant names the Pods that a wrong name may stand for: those of a workload of
// this name, or one of this name in another namespace.
func (s server) meant(pod store.Name) string {
	var ofWorkload, elsewhere []string
	for _, p := range sorted(s.View().Pods) {
		switch {
		case p.Namespace == pod.Namespace && strings.HasPrefix(p.Name, pod.Name+"-"):
			ofWorkload = append(ofWorkload, p.Name)
		case p.Name == pod.Name:
			elsewhere = append(elsewhere, p.Namespace)
		}
	}
	switch {
	case len(ofWorkload) > 0:
		return "; did you mean " + strings.Join(ofWorkload[:min(len(ofWorkload), 5)], ", ") + "?"
	case len(elsewhere) > 0:
		return "; there is one in namespace " + strings.Join(elsewhere, ", ") + ": choose it with -n"
	}
	return ""
}

func firstContainer(p *corev1.Pod) string {
	if len(p.Spec.Containers) == 0 {
		return ""
	}
	return p.Spec.Containers[0].Name
}

func followLog(ctx context.Context, w http.ResponseWriter, f *os.File, stamps bool) {
	tick := time.NewTicker(followInterval)
	defer tick.Stop()
	for {
		if rc := http.NewResponseController(w); rc.Flush() != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if copyLog(w, f, stamps) != nil {
				return
			}
		}
	}
}

// copyLog copies whole lines from the present position of f to w and leaves f
// behind the last one. The file has the kubelet's format: "TIME STREAM TAG
// TEXT", where the tag P marks a line that goes on in the next.
func copyLog(w io.Writer, f *os.File, stamps bool) error {
	start, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	r := bufio.NewReader(f)
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			// An unfinished line is read again next time.
			_, serr := f.Seek(start, io.SeekStart)
			return serr
		}
		start += int64(len(line))
		if _, err := w.Write(plainLine(line, stamps)); err != nil {
			return err
		}
	}
}

func plainLine(line []byte, stamps bool) []byte {
	parts := bytes.SplitN(line, []byte{' '}, 4)
	if len(parts) < 4 {
		return line
	}
	text := parts[3]
	if bytes.Equal(parts[2], []byte("P")) {
		text = bytes.TrimSuffix(text, []byte{'\n'})
	}
	if stamps {
		return slices.Concat(parts[0], []byte{' '}, text)
	}
	return text
}

// seekTail moves f to the beginning of its n-th finished line from the end.
func seekTail(f *os.File, n int) error {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	const block = 32 << 10
	buf := make([]byte, block)
	for pos := end; pos > 0; {
		size := min(pos, block)
		pos -= size
		if _, err := f.ReadAt(buf[:size], pos); err != nil {
			return err
		}
		for i := int(size) - 1; i >= 0; i-- {
			if buf[i] != '\n' {
				continue
			}
			if n--; n < 0 { // the first one found ends the last line
				_, err := f.Seek(pos+int64(i)+1, io.SeekStart)
				return err
			}
		}
	}
	_, err = f.Seek(0, io.SeekStart)
	return err
}

// seekSince moves f from its present position to the first finished line that
// is not older than t, or behind the last one.
func seekSince(f *os.File, t time.Time) error {
	start, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	r := bufio.NewReader(f)
	for {
		line, err := r.ReadBytes('\n')
		stamp, _, _ := bytes.Cut(line, []byte{' '})
		written, perr := time.Parse(time.RFC3339Nano, string(stamp))
		if err != nil || perr == nil && !written.Before(t) {
			_, err := f.Seek(start, io.SeekStart)
			return err
		}
		start += int64(len(line))
	}
}

// maxTail bounds what Tail returns.
const maxTail = 256 << 10

// Tail returns the last lines of the log of a container, without their times;
// nothing if it has not started.
func Tail(path string, lines int) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := seekTail(f, lines); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := copyLog(&b, f, false); err != nil {
		return nil, err
	}
	text := b.Bytes()
	if len(text) > maxTail {
		text = text[len(text)-maxTail:]
		_, text, _ = bytes.Cut(text, []byte{'\n'}) // not half a line
	}
	return text, nil
}
