package metrics

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// slowReader is a scraper that takes nothing before it is told.
type slowReader struct {
	*httptest.ResponseRecorder
	once        sync.Once
	begun, goOn chan struct{}
	deadlines   []time.Time
}

func (s *slowReader) Write(b []byte) (int, error) {
	s.once.Do(func() { s.begun <- struct{}{} })
	<-s.goOn
	return s.ResponseRecorder.Write(b)
}

func (s *slowReader) SetWriteDeadline(t time.Time) error {
	s.deadlines = append(s.deadlines, t)
	return nil
}

// TestScrapesAreBounded: those that read slowly do not keep any number of copies
// of all series in memory, nor one for ever.
func TestScrapesAreBounded(t *testing.T) {
	t.Parallel()
	h := New(Config{Runtime: true}).Handler()
	begun, release := make(chan struct{}), make(chan struct{})
	var scraping sync.WaitGroup
	scrape := func() *slowReader {
		s := &slowReader{ResponseRecorder: httptest.NewRecorder(), begun: begun, goOn: release}
		scraping.Go(func() { h.ServeHTTP(s, httptest.NewRequest(http.MethodGet, "/metrics", nil)) })
		<-begun
		return s
	}
	var slow []*slowReader
	for range maxScrapes {
		slow = append(slow, scrape())
	}
	more := httptest.NewRecorder()
	h.ServeHTTP(more, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if more.Code != http.StatusServiceUnavailable {
		t.Errorf("one more gets %d", more.Code)
	}
	close(release)
	scraping.Wait()
	for _, s := range slow {
		if s.Code != http.StatusOK || len(s.deadlines) != 2 || s.deadlines[0].IsZero() || !s.deadlines[1].IsZero() {
			t.Errorf("%d, deadlines %v", s.Code, s.deadlines)
		}
	}
}
