package variable

import (
	"fmt"
	"strings"
	"testing"
)

type fake struct{}

func (fake) AppendVariable(dst []byte, id ID, arg string) []byte {
	return fmt.Appendf(dst, "<%d%s>", id, arg)
}

func TestText(t *testing.T) {
	t.Parallel()
	h, u := fmt.Sprintf("<%d>", Host), fmt.Sprintf("<%d>", RequestURI)
	for in, want := range map[string]string{
		"":                            "",
		"plain":                       "plain",
		"$host":                       h,
		"${host}x$request_uri":        h + "x" + u,
		"a$$host$":                    "a$" + h + "$",
		"$1 ${} ${host $-":            "",
		"$http_X_Id$cookie_Ab$arg_Qr": fmt.Sprintf("<%dx_id><%dAb><%dQr>", Field, Cookie, Arg),
		"https://$host/auth":          "https://" + h + "/auth",
	} {
		text, err := Parse(in)
		if want == "" && in != "" {
			if err == nil {
				t.Errorf("%q is accepted", in)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", in, err)
			continue
		}
		if got := string(text.Append(nil, fake{})); got != want {
			t.Errorf("%q gives %q, want %q", in, got, want)
		}
		if text.Plain() != !strings.Contains(want, "<") || text.String() != in {
			t.Errorf("%q: plain %v, %q", in, text.Plain(), text)
		}
	}
	for _, in := range []string{"$nothing", "$http_", "$cookie_"} {
		if _, err := Parse(in); err == nil || !strings.Contains(err.Error(), in) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestLookups(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ field, name, want string }{
		{"a=1; b=2;c=3", "b", "2"}, {"a=1;  b=2", "b", "2"}, {"ab=1", "b", ""}, {"b", "b", ""}, {"b=", "b", ""}, {"B=1", "b", "1"}, {"b=x=y", "b", "x=y"},
	} {
		if v, _ := CookieValue([]byte(tt.field), tt.name, AnyCase); string(v) != tt.want {
			t.Errorf("%q: %q", tt.field, v)
		}
	}
	if _, ok := CookieValue([]byte("B=1"), "b", Exactly); ok {
		t.Error("another case is taken for the same")
	}
	if v, ok := Param([]byte("a=1&b=2%20&b=3"), "b", Exactly); !ok || string(v) != "2%20" {
		t.Errorf("%q", v)
	}
	if !FieldIs("X-Some-Id", "x_some_id") || FieldIs("X-Some", "x_some_id") {
		t.Error("FieldIs")
	}
}

func FuzzText(f *testing.F) {
	f.Add("https://${host}$request_uri$", []byte("a=b; c"))
	f.Fuzz(func(t *testing.T, s string, field []byte) {
		if text, err := Parse(s); err == nil {
			text.Append(nil, fake{})
		}
		CookieValue(field, s, AnyCase)
		Param(field, s, Exactly)
	})
}
