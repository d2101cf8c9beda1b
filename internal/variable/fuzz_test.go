package variable

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// FuzzCookieValue: what a client can write as two cookies is found by its name,
// the first of two of one name, and net/http finds the same.
func FuzzCookieValue(f *testing.F) {
	f.Add("a", "1", "b", "2", "b")
	f.Add("a", "", "a", "2=3", "a")
	f.Add("A", "x y", "a", "x", "a")
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2, asked string) {
		r := &http.Request{Header: http.Header{}}
		for _, c := range []http.Cookie{{Name: name1, Value: value1}, {Name: name2, Value: value2}} {
			if c.Valid() != nil || strings.ContainsAny(c.Value, `", `) {
				return // net/http takes quotes away
			}
			r.AddCookie(&c)
		}
		got, ok := CookieValue([]byte(r.Header.Get("Cookie")), asked, Exactly)
		want, err := r.Cookie(asked)
		if ok != (err == nil) || ok && string(got) != want.Value {
			t.Errorf("%q in %q: %q, %v; net/http: %v, %v", asked, r.Header.Get("Cookie"), got, ok, want, err)
		}
	})
}

// FuzzLists: of any octets a cookie or parameter that is found stands there
// with its name, and none that stands alone is missed.
func FuzzLists(f *testing.F) {
	f.Add([]byte("a=1; b; c=2"), "c", byte(';'))
	f.Add([]byte("&&a=&a=2"), "a", byte('&'))
	f.Fuzz(func(t *testing.T, list []byte, name string, separator byte) {
		find, sign := CookieValue, ";"
		if separator == '&' {
			find, sign = Param, "&"
		}
		got, ok := find(list, name, Exactly)
		if ok && !strings.Contains(string(list), name+"="+string(got)) {
			t.Errorf("%q in %q: %q", name, list, got)
		}
		if ok && strings.Contains(string(got), sign) {
			t.Errorf("%q in %q: %q goes on behind the separator", name, list, got)
		}
		if !ok && !strings.ContainsAny(name, " =&;") && strings.HasPrefix(string(list), name+"=") {
			t.Errorf("%q is not found in %q", name, list)
		}
	})
}

// FuzzParam: what net/url writes is found, encoded.
func FuzzParam(f *testing.F) {
	f.Add("a", "1 2", "b", "&")
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2 string) {
		query := url.QueryEscape(name1) + "=" + url.QueryEscape(value1) + "&" + url.QueryEscape(name2) + "=" + url.QueryEscape(value2)
		want := value2
		if name1 == name2 {
			want = value1
		}
		got, ok := Param([]byte(query), url.QueryEscape(name2), Exactly)
		if back, err := url.QueryUnescape(string(got)); !ok || err != nil || back != want {
			t.Errorf("%q in %q: %q, %v, %v", name2, query, got, ok, err)
		}
	})
}
