package process

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// maxLine is where a long line is cut, as the kubelet's runtimes do.
const maxLine = 16 << 10

// maxLog is the size at which a log file is moved aside.
const maxLog = 10 << 20

// output takes the lines of both streams of one container to its log file and
// its observer.
type output struct {
	observer func(stream string, line []byte)
	path     string
	limit    int64 // maxLog outside tests
	now      func() time.Time

	mu   sync.Mutex // guards what follows, and makes observer calls follow each other
	file *os.File   // nil: no log, or lost
	size int64
	text []byte // scratch
	err  error  // first failure
}

// newOutput opens the log file of spec, if it names one.
func newOutput(spec Spec) (*output, error) {
	o := &output{observer: spec.Output, path: spec.Log, limit: maxLog, now: time.Now}
	if spec.Log == "" {
		return o, nil
	}
	if err := os.MkdirAll(filepath.Dir(spec.Log), 0o755); err != nil {
		return nil, err
	}
	if err := o.open(); err != nil {
		return nil, err
	}
	return o, nil
}

func (o *output) open() error {
	f, err := os.OpenFile(o.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	o.file, o.size = f, info.Size()
	return nil
}

// copyLines reads one stream to its end, or to the read deadline.
func (o *output) copyLines(r io.Reader, stream string) {
	// One octet more than a line, so that a line of exactly maxLine needs no
	// empty last piece.
	buf := make([]byte, maxLine+1)
	used := 0
	for {
		n, err := r.Read(buf[used:])
		used += n
		used = copy(buf, buf[o.lines(stream, buf[:used]):used])
		if err != nil {
			if used > 0 {
				o.lines(stream, append(buf[:used:used], '\n'))
			}
			return
		}
	}
}

// lines takes all complete lines of data, and a piece of an incomplete one
// that is too long to wait for, and returns how many octets that was.
func (o *output) lines(stream string, data []byte) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	stamp := o.now().UTC()
	o.text = o.text[:0]
	taken := 0
	for taken < len(data) {
		rest := data[taken:]
		end := bytes.IndexByte(rest, '\n')
		if end < 0 && len(rest) <= maxLine {
			break
		}
		tag, skip := " F ", 1
		if end < 0 {
			end, tag, skip = maxLine, " P ", 0
		}
		if o.file != nil {
			o.text = stamp.AppendFormat(o.text, time.RFC3339Nano)
			o.text = append(o.text, ' ')
			o.text = append(o.text, stream...)
			o.text = append(o.text, tag...)
			o.text = append(o.text, rest[:end]...)
			o.text = append(o.text, '\n')
		}
		if o.observer != nil {
			o.observer(stream, rest[:end])
		}
		taken += end + skip
	}
	o.write()
	return taken
}

// write appends the scratch text to the log. The caller holds mu.
func (o *output) write() {
	if len(o.text) == 0 || o.file == nil {
		return
	}
	if o.size > 0 && o.size+int64(len(o.text)) > o.limit {
		o.rotate()
	}
	if o.file == nil {
		return
	}
	n, err := o.file.Write(o.text)
	o.size += int64(n)
	o.fail(err)
}

// rotate moves the full file aside and opens a new one. The caller holds mu.
func (o *output) rotate() {
	o.fail(o.file.Close())
	o.file = nil
	o.fail(os.Rename(o.path, o.path+".1"))
	o.fail(o.open())
}

func (o *output) fail(err error) {
	if o.err == nil {
		o.err = err
	}
}

// close closes the log and returns the first failure.
func (o *output) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file != nil {
		o.fail(o.file.Close())
		o.file = nil
	}
	return o.err
}
