package dashboards

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

// sample is one value of a series.
type sample struct {
	t int64
	f float64
}

func (s sample) T() int64                      { return s.t }
func (s sample) ST() int64                     { return 0 }
func (s sample) F() float64                    { return s.f }
func (s sample) H() *histogram.Histogram       { return nil }
func (s sample) FH() *histogram.FloatHistogram { return nil }
func (s sample) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (s sample) Copy() chunks.Sample           { return s }

// series are those of several scrapes, with the labels that a Prometheus gives
// them. It is a storage.Queryable.
type series struct {
	byLabels map[string]*entry
	order    []*entry
}

type entry struct {
	labels  labels.Labels
	samples []chunks.Sample
}

// add reads one scrape. What the target says under a name that Prometheus has
// for it, is renamed to exported_….
func (s *series) add(t *testing.T, text string, at time.Time, target map[string]string) {
	t.Helper()
	p := parser.NewParser(parser.Options{})
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		blank := strings.LastIndexByte(line, ' ')
		l, err := p.ParseMetric(line[:blank])
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		v, err := strconv.ParseFloat(line[blank+1:], 64)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		b := labels.NewBuilder(l)
		for name, value := range target {
			if own := l.Get(name); own != "" {
				b.Set("exported_"+name, own)
			}
			b.Set(name, value)
		}
		l = b.Labels()
		e := s.byLabels[l.String()]
		if e == nil {
			e = &entry{labels: l}
			s.byLabels[l.String()] = e
			s.order = append(s.order, e)
		}
		e.samples = append(e.samples, sample{at.UnixMilli(), v})
	}
}

// Querier implements storage.Queryable.
func (s *series) Querier(int64, int64) (storage.Querier, error) { return querier{s}, nil }

type querier struct{ *series }

func (q querier) matching(matchers []*labels.Matcher) (list []storage.Series) {
	for _, e := range q.order {
		if !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(e.labels.Get(m.Name)) }) {
			list = append(list, storage.NewListSeries(e.labels, e.samples))
		}
	}
	return list
}

// Select implements storage.Querier.
func (q querier) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	list := q.matching(matchers)
	slices.SortFunc(list, func(a, b storage.Series) int { return labels.Compare(a.Labels(), b.Labels()) })
	return &set{list: list}
}

func (q querier) LabelValues(_ context.Context, name string, _ *storage.LabelHints, matchers ...*labels.Matcher) (values []string, _ annotations.Annotations, _ error) {
	for _, one := range q.matching(matchers) {
		if v := one.Labels().Get(name); v != "" && !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	return values, nil, nil
}

func (q querier) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (q querier) Close() error { return nil }

type set struct {
	list []storage.Series
	at   int
}

func (s *set) Next() bool                        { s.at++; return s.at <= len(s.list) }
func (s *set) At() storage.Series                { return s.list[s.at-1] }
func (s *set) Err() error                        { return nil }
func (s *set) Warnings() annotations.Annotations { return nil }

// isNumber reports whether a value says something.
func isNumber(f float64) bool { return !math.IsNaN(f) }
