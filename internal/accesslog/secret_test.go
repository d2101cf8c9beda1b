package accesslog

import (
	"testing"
	"time"

	"daemun/internal/variable"
)

// TestH8_6CredentialsAreNotLogged, not even when a format asks for them.
func TestH8_6CredentialsAreNotLogged(t *testing.T) {
	t.Parallel()
	e := ordinary()
	e.Target, e.Referer = []byte("/a?x=1&Access_Token=abc&y=2&token"), []byte("https://r/?password=p")
	e.Source = source{
		variable.Args: "sig=1&a=2", variable.RequestURI: "/u?token=t", variable.Field: "f-", variable.SentField: "s-", variable.Arg: "v-",
	}
	l := New(Config{Location: time.UTC})
	l.Use(Settings{Format: "$request|$http_referer|$args|$request_uri|$http_authorization|$http_cookie|$http_x|$sent_http_set_cookie|$sent_http_x|$arg_token|$arg_x"})
	want := "GET /a?x=1&Access_Token=***&y=2&token HTTP/1.1|https://r/?password=***|sig=***&a=2|/u?token=***|***|***|f-x|***|s-x|***|v-x\n"
	if got := line(l, e); got != want {
		t.Errorf("got %s", got)
	}
}
