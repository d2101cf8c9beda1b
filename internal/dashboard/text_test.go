package dashboard

import (
	"testing"
	"time"
)

func TestFigures(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct{ got, want string }{
		{rate(0), "0"},
		{rate(0.01), "<0.1"},
		{rate(3.14), "3.1"},
		{rate(9.99), "10"},
		{rate(1234), "1234"},
		{rate(12345), "12.3k"},
		{rate(2_500_000), "2.5M"},
		{percent(0, 0), "0%"},
		{percent(1, 10_000), "<0.1%"},
		{percent(1, 30), "3.3%"},
		{percent(999, 1000), ">99%"},
		{percent(5, 5), "100%"},
		{seconds(-1, 0.005), "–"},
		{seconds(0.004, 0.005), "<5 ms"},
		{seconds(0.0421, 0.005), "42 ms"},
		{seconds(2.34, 0.005), "2.3 s"},
		{duration(0.0000123), "12 µs"},
		{duration(0.0025), "2.5 ms"},
		{ago(now, now.Add(-5*time.Second)), "5 s"},
		{ago(now, now.Add(90*time.Minute)), "1 h"},
		{ago(now, now.Add(-72*time.Hour)), "3 days"},
		{ago(now, time.Time{}), "never"},
		{count(1234567), "1\u202f234\u202f567"},
		{count(123), "123"},
		{plural(1, "thing", "things"), "1 thing"},
		{size(2048), "2.0 KiB"},
		{quote("it's"), `'it'\''s'`},
		{sentence("élan"), "Élan"},
		{string(prose("a `<b>` c `d")), "a <code>&lt;b&gt;</code> c d"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

func TestNiceTop(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]float64{0: 1, 0.3: 0.4, 1: 1, 1.1: 2, 37: 40, 51: 100, 430: 500} {
		if got := niceTop(v); got < want*0.999 || got > want*1.001 {
			t.Errorf("%v: %v, want %v", v, got, want)
		}
	}
}
