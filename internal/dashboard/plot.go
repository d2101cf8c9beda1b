package dashboard

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"daemun/internal/history"
)

const (
	// plotTime is what a plot shows, plotPoints how many points it has.
	plotTime   = 15 * time.Minute
	plotPoints = 150
	plotWidth  = 600
	plotHeight = 100
)

// plot is a drawing of the last quarter of an hour. It is made here and not in
// the browser, so that it is there without JavaScript.
type plot struct {
	ID, Title string
	// Now is the present value, Unit stands behind it.
	Now, Unit string
	// Top is what the upper line stands for, Half the middle one.
	Top, Half string
	// Summary is the drawing in words.
	Summary string
	Lines   []line
	// Names are those of the curves, Nothing is said where there is none.
	Names, Nothing string
	// Points is for the browser: seconds ago and values of each point.
	Points string
	Empty  bool
	State  state
}

// line is one curve or area.
type line struct {
	// Class says how it is drawn, Name and Now are for the legend.
	Class, Name, Now string
	Path             template.HTMLAttr
	Area             template.HTMLAttr
}

// curve is what a line is made of; a negative value is a gap.
type curve struct {
	class, name string
	value       func(history.Point) float64
	text        func(float64) string
}

// frame is what all plots of a page have in common.
type frame struct {
	points  []history.Point
	now     time.Time
	current history.Point
}

// draw makes a plot; stacked curves stand on each other.
func draw(p plot, f frame, stacked bool, curves []curve) plot {
	points, now := f.points, f.now
	values := make([][]float64, len(curves))
	top := 0.0
	for i, c := range curves {
		values[i] = make([]float64, len(points))
		for j, at := range points {
			v := c.value(at)
			if stacked && i > 0 {
				v += max(0, values[i-1][j])
			}
			values[i][j] = v
			top = max(top, v)
		}
	}
	p.Empty = top == 0
	top = niceTop(top)
	p.Top, p.Half = curves[0].text(top), curves[0].text(top/2)
	for i, c := range curves {
		l := line{Class: c.class, Name: c.name, Now: c.text(c.value(f.current))}
		path := pathOf(points, values[i], now, top)
		l.Path = attribute("d", path)
		if stacked {
			l.Area = attribute("d", areaOf(points, values[i], now, top))
		}
		p.Lines = append(p.Lines, l)
	}
	if stacked { // the lower ones are drawn over the higher ones
		slices.Reverse(p.Lines)
	}
	var names []string
	for _, c := range curves {
		names = append(names, c.name)
	}
	p.Names, p.Points = strings.Join(names, "|"), pointsOf(points, now, curves)
	return p
}

// attribute makes an attribute of a path, which consists of letters and digits.
func attribute(name, value string) template.HTMLAttr {
	return template.HTMLAttr(name + `="` + value + `"`) //nolint:gosec // made of numbers by us
}

// niceTop is the next number that is easy to read.
func niceTop(v float64) float64 {
	if v <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 4, 5, 10} {
		if v <= m*power {
			return m * power
		}
	}
	return 10 * power
}

func xOf(at, now time.Time) float64 {
	return plotWidth * (1 - float64(now.Sub(at))/float64(plotTime))
}

func yOf(v, top float64) float64 { return plotHeight * (1 - v/top) }

func pathOf(points []history.Point, values []float64, now time.Time, top float64) string {
	var b strings.Builder
	pen := "M"
	for i, at := range points {
		if values[i] < 0 {
			pen = "M"
			continue
		}
		fmt.Fprintf(&b, "%s%.1f %.1f", pen, xOf(at.At, now), yOf(values[i], top))
		if pen == "M" {
			b.WriteString("h.1") // a point alone is seen, too
		}
		pen = "L"
	}
	return b.String()
}

func areaOf(points []history.Point, values []float64, now time.Time, top float64) string {
	path := pathOf(points, values, now, top)
	if path == "" {
		return ""
	}
	return fmt.Sprintf("%sL%.1f %dL%.1f %dZ", path, xOf(points[len(points)-1].At, now), plotHeight, xOf(points[0].At, now), plotHeight)
}

func pointsOf(points []history.Point, now time.Time, curves []curve) string {
	var b strings.Builder
	for i, at := range points {
		if i > 0 {
			b.WriteByte(';')
		}
		b.WriteString(strconv.Itoa(int(now.Sub(at.At).Seconds() + 0.5)))
		for _, c := range curves {
			b.WriteByte('|')
			b.WriteString(c.text(c.value(at)))
		}
	}
	return b.String()
}
