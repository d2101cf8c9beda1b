package policy

import (
	"testing"

	"daemun/internal/ir"
)

// TestCookieFlags pins proxy_cookie_flags: the first entry counts, and comes
// behind what changes the path.
func TestCookieFlags(t *testing.T) {
	t.Parallel()
	r := newResponse(&ir.Policies{
		CookiePath: &ir.Replacement{From: "/", To: "/n/"},
		CookieFlags: []ir.CookieFlags{
			{Cookie: "one", Secure: ir.FlagOn, HTTPOnly: ir.FlagOn, SameSite: "Lax"}, {Cookie: "^t", Expression: true, Secure: ir.FlagOff, HTTPOnly: ir.FlagOff, SameSite: ir.FlagOff},
			{Cookie: "one", Secure: ir.FlagOff},
		},
	}, nil)
	for _, tt := range []struct{ value, want string }{
		{"one=1", "one=1; Secure; HttpOnly; SameSite=Lax"},
		{"ONE=1; path=/;secure; samesite=None", "ONE=1; path=/n/; secure; SameSite=Lax; HttpOnly"},
		{"two=1; Secure; HTTPOnly; SameSite=Strict; Path=/x", "two=1; Path=/n/x"},
		{"Two", "Two"},
		{"three", "three"},
		{"x=1; Path=/", "x=1; Path=/n/"},
		{"x=1", ""},
	} {
		if got, ok := r.Cookie(nil, []byte(tt.value)); string(got) != tt.want || ok != (tt.want != "") {
			t.Errorf("%q: %q %v, want %q", tt.value, got, ok, tt.want)
		}
	}
}
