// Package dashboards evaluates the expressions of dashboards and alerts, with
// Prometheus's own engine, over what a running Daemun exposes: those of the two
// dashboards that ingress-nginx publishes (testdata), of common alert rules,
// and of Daemun's own dashboard (deploy/grafana).
package dashboards

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// scrapes are taken this far apart, as a Prometheus would; the clock is ours.
const (
	scrapes = 10
	apart   = 15 * time.Second
)

// gathered is what a Prometheus has after some minutes of traffic.
func gathered(t *testing.T) (s *series, end time.Time) {
	t.Helper()
	d := start(t)
	s = &series{byLabels: map[string]*entry{}}
	target := map[string]string{"job": "daemun", "instance": "10.0.0.1:10254", "namespace": "ingress", "pod": "daemun-0", "service": "daemun", "endpoint": "metrics"}
	end = time.Now()
	for i := range scrapes {
		d.ask(t, "GET", "web.test", 200)
		d.ask(t, "POST", "web.test", 200)
		d.ask(t, "GET", "denied.test", 403)
		d.ask(t, "GET", "empty.test", 503)
		d.ask(t, "GET", "missing.test", 503)
		d.refuse(t)
		d.change(t, fmt.Sprintf("new%d", i))
		s.add(t, d.scrape(t), end.Add(time.Duration(i-scrapes+1)*apart), target)
	}
	return s, end
}

var (
	labelValues = regexp.MustCompile(`^label_values\((.*), ?(\w+)\)$`)
	variables   = strings.NewReplacer("$__rate_interval", "2m", "$__interval", "1m")
	anyOf       = regexp.MustCompile(`"\$\{?\w+\}?"`)
)

// expand puts values in for the variables of a dashboard: all of them.
func expand(expr string) string { return anyOf.ReplaceAllString(variables.Replace(expr), `".*"`) }

func TestDashboards(t *testing.T) {
	s, end := gathered(t)
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, LookbackDelta: 5 * time.Minute, Parser: parser.NewParser(parser.Options{})})
	defer engine.Close()
	c := checker{t, s, end, engine}
	for _, file := range []string{"controller", "performance", "alerts"} {
		t.Run(file, func(t *testing.T) {
			text, err := os.ReadFile("testdata/" + file + ".promql")
			if err != nil {
				t.Fatal(err)
			}
			c.t = t
			for line := range strings.Lines(string(text)) {
				if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
					c.check(line)
				}
			}
		})
	}
	t.Run("daemun.json", func(t *testing.T) {
		text, err := os.ReadFile("../../deploy/grafana/daemun.json")
		if err != nil {
			t.Fatal(err)
		}
		var dashboard any
		if err := json.Unmarshal(text, &dashboard); err != nil {
			t.Fatal(err)
		}
		c.t = t
		exprs := expressions(dashboard, nil)
		if len(exprs) < 40 {
			t.Errorf("%d expressions found", len(exprs))
		}
		for _, e := range exprs {
			c.check(e)
		}
	})
}

// expressions finds those of panels, annotations and variables.
func expressions(v any, found []string) []string {
	switch v := v.(type) {
	case []any:
		for _, one := range v {
			found = expressions(one, found)
		}
	case map[string]any:
		for key, one := range v {
			text, isText := one.(string)
			if isText && (key == "expr" || key == "query" && strings.Contains(text, "(")) {
				found = append(found, text)
			}
			found = expressions(one, found)
		}
	}
	return found
}

type checker struct {
	t      *testing.T
	series *series
	end    time.Time
	engine *promql.Engine
}

// check: every selector of an expression selects something, and the whole has a
// value, unless it is a comparison, whose result is empty when all is well.
func (c checker) check(text string) {
	c.t.Helper()
	text = expand(text)
	if m := labelValues.FindStringSubmatch(text); m != nil {
		matchers, err := parser.NewParser(parser.Options{}).ParseMetricSelector(m[1])
		if err != nil {
			c.t.Errorf("%s: %v", text, err)
			return
		}
		if values, _, _ := (querier{c.series}).LabelValues(c.t.Context(), m[2], nil, matchers...); len(values) == 0 {
			c.t.Errorf("%s: no values", text)
		}
		return
	}
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	if err != nil {
		c.t.Errorf("%s: %v", text, err)
		return
	}
	compares := false
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.VectorSelector:
			if len((querier{c.series}).matching(n.LabelMatchers)) == 0 {
				c.t.Errorf("%s: %s selects nothing", text, n)
			}
		case *parser.BinaryExpr:
			compares = compares || n.Op.IsComparisonOperator()
		}
		return nil
	})
	c.evaluate(text, compares)
}

func (c checker) evaluate(text string, compares bool) {
	c.t.Helper()
	q, err := c.engine.NewInstantQuery(c.t.Context(), c.series, nil, text, c.end)
	if err != nil {
		c.t.Errorf("%s: %v", text, err)
		return
	}
	defer q.Close()
	result := q.Exec(c.t.Context())
	if result.Err != nil {
		c.t.Errorf("%s: %v", text, result.Err)
		return
	}
	numbers := 0
	switch v := result.Value.(type) {
	case promql.Vector:
		for _, one := range v {
			if isNumber(one.F) {
				numbers++
			}
		}
	case promql.Scalar:
		numbers++
	}
	if numbers == 0 && !compares {
		c.t.Errorf("%s: no value", text)
	}
}
