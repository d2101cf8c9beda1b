package translate

import (
	"strings"
	"testing"

	"daemun/internal/expression"
	"daemun/internal/table/pattern"
)

// TestExpressionBeyondTheLinearEngine pins that a path which needs the engine
// with back-tracking is served and reported, and one that this cannot run either
// is closed.
func TestExpressionBeyondTheLinearEngine(t *testing.T) {
	t.Parallel()
	_, objects := decode(t, []byte(`kind: Ingress
metadata:
  name: web
  namespace: default
  annotations:
    kubernetes.io/ingress.class: "nginx"
    nginx.ingress.kubernetes.io/use-regex: "true"
spec:
  rules:
  - host: web.test
    http:
      paths:
      - {path: "/(?!no)(.*)", pathType: ImplementationSpecific, backend: {service: {name: web, port: {number: 80}}}}
      - {path: "/(?R)", pathType: ImplementationSpecific, backend: {service: {name: web, port: {number: 80}}}}
`))
	o := DefaultOptions()
	o.Beyond = func(expr string, c expression.Case) (expression.Matcher, error) {
		if expr != "^/(?!no)(.*)" {
			return nil, expression.ErrTooCostly // any error
		}
		return expression.Compile("^/(.*)", c, nil)
	}
	v := viewOf(objects)
	r := New(o).Translate(v)
	codes := map[string]int{}
	for _, p := range r.Problems {
		codes[p.Code]++
	}
	if codes[CodeCostly] != 1 || codes[CodeExpression] != 1 {
		t.Errorf("%v", r.Problems)
	}
	for _, h := range r.Config.Hosts {
		for _, route := range h.Routes {
			if route.Path == "/(?!no)(.*)" && (route.Denied != 0 || route.Pattern != "^/(?!no)(.*)") || route.Path == "/(?R)" && route.Denied != 503 {
				t.Errorf("%+v", route)
			}
		}
	}
}

// TestExpressionBounds pins that what the table would refuse is a problem (H6.21).
func TestExpressionBounds(t *testing.T) {
	t.Parallel()
	for expr, wrong := range map[string]bool{
		"/" + strings.Repeat("a", 1022): false, "/" + strings.Repeat("a", 1023): true,
		"/[a-z]{500}": false, "/([a-z]{40}){60}": true, "/a+": false,
	} {
		if got := checkExpression(expr); (got != "") != wrong {
			t.Errorf("%.20s…: %q", expr, got)
		}
		if _, err := pattern.Compile("^" + expr); (err != nil) != wrong {
			t.Errorf("%.20s…: the table says %v", expr, err)
		}
	}
}

// TestAnnotationsBeyondTheLinearEngine pins that expressions of annotations which
// need the engine with back-tracking are taken and reported, and that nobody
// takes them without it.
func TestAnnotationsBeyondTheLinearEngine(t *testing.T) {
	t.Parallel()
	_, objects := decode(t, []byte(`kind: Ingress
metadata:
  name: web
  namespace: default
  annotations:
    kubernetes.io/ingress.class: "nginx"
    nginx.ingress.kubernetes.io/server-alias: '~^(a|b)\1\.test$'
    nginx.ingress.kubernetes.io/auth-tls-secret: default/ca
    nginx.ingress.kubernetes.io/auth-tls-match-cn: 'CN=(?!root)'
spec:
  rules:
  - host: web.test
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
kind: Ingress
metadata:
  name: canary
  namespace: default
  annotations:
    kubernetes.io/ingress.class: "nginx"
    nginx.ingress.kubernetes.io/canary: "true"
    nginx.ingress.kubernetes.io/canary-by-header: "X-Canary"
    nginx.ingress.kubernetes.io/canary-by-header-pattern: '^(?!no)'
spec:
  rules:
  - host: web.test
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
`))
	for _, beyond := range []expression.Engine{nil, func(string, expression.Case) (expression.Matcher, error) {
		return expression.Compile("x", expression.Exact, nil)
	}} {
		o := DefaultOptions()
		o.Beyond = beyond
		r := New(o).Translate(viewOf(objects))
		costly := 0
		for _, p := range r.Problems {
			if p.Code == CodeCostly {
				costly++
			}
		}
		aliases := 0
		for _, h := range r.Config.Hosts {
			aliases += len(h.Aliases)
		}
		if want := map[bool]int{true: 3}[beyond != nil]; costly != want || aliases != want/3 {
			t.Errorf("engine %v: %d reports, %d aliases\n%v", beyond != nil, costly, aliases, r.Problems)
		}
	}
}
