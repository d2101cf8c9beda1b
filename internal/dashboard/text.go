package dashboard

import (
	"fmt"
	"html/template"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"daemun/internal/problems"
)

func (d *Dashboard) functions() template.FuncMap {
	return template.FuncMap{
		"asset":    d.assets.url,
		"rate":     rate,
		"percent":  percent,
		"seconds":  func(s float64) string { return seconds(s, d.History.FirstBound()) },
		"ago":      func(t time.Time) string { return ago(d.Now(), t) },
		"clock":    func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") + " UTC" },
		"host":     hostName,
		"link":     link,
		"count":    count[int],
		"plural":   plural,
		"stamp":    func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"size":     size,
		"mark":     mark,
		"fault":    func() template.HTML { return mark(fail) },
		"good":     func() template.HTML { return mark(ok) },
		"warning":  func() template.HTML { return mark(warn) },
		"sentence": sentence,
		"prose":    prose,
		"join":     func(list []string) string { return strings.Join(list, ", ") },
		"took":     duration,
	}
}

// sentence begins a text with a capital letter.
func sentence(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}

// prose prints a text of the documentation: what stands between backquotes is
// code. Its links lead to pages that are not here.
func prose(s string) template.HTML {
	parts := strings.Split(problems.Plain(s), "`")
	var b strings.Builder
	for i, p := range parts {
		p = template.HTMLEscapeString(p)
		if i%2 == 1 && i < len(parts)-1 {
			p = "<code>" + p + "</code>"
		}
		b.WriteString(p)
	}
	return template.HTML(b.String()) //nolint:gosec // escaped above
}

// rate prints something per second.
func rate(x float64) string {
	switch {
	case x == 0:
		return "0"
	case x < 0.05:
		return "<0.1"
	case x < 9.95:
		return strconv.FormatFloat(x, 'f', 1, 64)
	case x < 9999.5:
		return strconv.FormatFloat(x, 'f', 0, 64)
	case x < 999_500:
		return strconv.FormatFloat(x/1000, 'f', 1, 64) + "k"
	}
	return strconv.FormatFloat(x/1_000_000, 'f', 1, 64) + "M"
}

// percent prints a share; it says 0 and 100 only when they are exact.
func percent(part, whole float64) string {
	if whole <= 0 || part <= 0 {
		return "0%"
	}
	switch p := 100 * part / whole; {
	case p < 0.1:
		return "<0.1%"
	case p < 9.95:
		return strconv.FormatFloat(p, 'f', 1, 64) + "%"
	case p >= 99.5 && part < whole:
		return ">99%"
	default:
		return strconv.FormatFloat(p, 'f', 0, 64) + "%"
	}
}

// seconds prints a quantile. Within the first bucket of the histogram nothing
// more is known than its bound.
func seconds(s, firstBound float64) string {
	switch {
	case s < 0:
		return "–"
	case s <= firstBound:
		return "<" + duration(firstBound)
	}
	return duration(s)
}

func duration(s float64) string {
	switch {
	case s < 0.001:
		return strconv.FormatFloat(s*1e6, 'f', 0, 64) + " µs"
	case s < 0.01:
		return strings.TrimSuffix(strconv.FormatFloat(s*1000, 'f', 1, 64), ".0") + " ms"
	case s < 0.9995:
		return strconv.FormatFloat(s*1000, 'f', 0, 64) + " ms"
	case s < 9.95:
		return strconv.FormatFloat(s, 'f', 1, 64) + " s"
	}
	return strconv.FormatFloat(s, 'f', 0, 64) + " s"
}

// ago prints how long a time is past or, negative, to come.
func ago(now, t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	d := now.Sub(t)
	if d < 0 {
		d = -d
	}
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// hostName is how a host block is called.
func hostName(name string) string {
	if name == "" {
		return "any other host"
	}
	return name
}

// link makes a URL of a path and pairs of parameters, leaving out empty ones.
func link(path string, pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// count prints a number in groups of three.
func count[T int | int32 | int64 | uint64](n T) string {
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// plural prints a number with its noun.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}

// size prints octets.
func size(n int64) string {
	switch {
	case n < 1<<10:
		return strconv.FormatInt(n, 10) + " B"
	case n < 1<<20:
		return strconv.FormatFloat(float64(n)/(1<<10), 'f', 1, 64) + " KiB"
	}
	return strconv.FormatFloat(float64(n)/(1<<20), 'f', 1, 64) + " MiB"
}

// shapes are the marks of states: they differ without their colours, too.
var shapes = [...]string{
	idle: `<circle cx="8" cy="8" r="5.25"/><path d="M5.5 8h5"/>`,
	ok:   `<circle class="fill" cx="8" cy="8" r="6"/><path class="sign" d="m5.3 8.2 1.9 1.9 3.6-4"/>`,
	warn: `<path class="fill" d="M8 1.8 15 14H1z"/><path class="sign" d="M8 6.2v3.6M8 11.9v.1"/>`,
	fail: `<path class="fill" d="M5.2 1.5h5.6l3.7 3.7v5.6l-3.7 3.7H5.2l-3.7-3.7V5.2z"/><path class="sign" d="m5.6 5.6 4.8 4.8m0-4.8-4.8 4.8"/>`,
}

// mark draws a state, with its word for those who do not see it.
func mark(s state) template.HTML {
	return template.HTML(`<span class="mark s-` + s.String() + `"><svg viewBox="0 0 16 16" aria-hidden="true">` + //nolint:gosec // constants
		shapes[s] + `</svg><span class="vh">` + s.String() + ` </span></span>`)
}
