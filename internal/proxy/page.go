package proxy

import (
	"strconv"
	"sync/atomic"
	"time"

	"daemun/internal/http1"
)

// pages are the bodies of own answers, by status minus 300 (§11.1).
type pages struct {
	byStatus [300][]byte
	// noCertificate and badCertificate are about client certificates.
	noCertificate, badCertificate []byte
}

// pageTexts are the titles that differ from the reason phrase of the registry.
var pageTexts = map[int]string{
	302: "Found", 401: "Authorization Required", 405: "Not Allowed", 408: "Request Time-out", 413: "Request Entity Too Large", 414: "Request-URI Too Large", 416: "Requested Range Not Satisfiable",
	431: "Request Header Or Cookie Too Large", 503: "Service Temporarily Unavailable", 504: "Gateway Time-out",
}

func newPages() (p pages) {
	p.noCertificate = newPage("400 No required SSL certificate was sent")
	p.badCertificate = newPage("400 The SSL certificate error")
	for i := range p.byStatus {
		status := 300 + i
		text := pageTexts[status]
		if text == "" {
			text = http1.StatusText(status)
		}
		if text == "" || status == 304 {
			continue
		}
		p.byStatus[i] = newPage(strconv.Itoa(status) + " " + text)
	}
	return p
}

func newPage(title string) []byte {
	return []byte("<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + title +
		"</h1></center>\r\n<hr><center>daemun</center>\r\n</body>\r\n</html>\r\n")
}

// of returns the page of a status, nil when it has none.
func (p *pages) of(status int) []byte {
	if status < 300 || status >= 300+len(p.byStatus) {
		return nil
	}
	return p.byStatus[status-300]
}

// dateCache formats the Date field once per second.
type dateCache struct {
	last atomic.Pointer[dateText]
}

type dateText struct {
	second int64
	text   string
}

// httpTime is RFC 9110 §5.6.7 for a time in UTC.
const httpTime = "Mon, 02 Jan 2006 15:04:05 GMT"

func (d *dateCache) at(now time.Time) string {
	second := now.Unix()
	if last := d.last.Load(); last != nil && last.second == second {
		return last.text
	}
	next := &dateText{second: second, text: now.UTC().Format(httpTime)}
	d.last.Store(next)
	return next.text
}
