package translate

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"daemun/internal/annotation"
	"daemun/internal/ir"
	"daemun/internal/store"
	"daemun/internal/variable"

	corev1 "k8s.io/api/core/v1"
)

// compileExternalAuth makes the policy of auth-url, or of the global settings
// where the Ingress has none of its own (ingress-nginx §1.4.1).
func (c *compilation) compileExternalAuth() {
	a, name := &c.values.External, "auth-url"
	if c.writes("auth-url") && a.URL.Text == "" {
		return // bad, and closed for that
	}
	if a.URL.Text == "" {
		if a, name = &c.t.options.GlobalAuth, "global-auth-url"; a.URL.Text == "" || !c.values.GlobalAuth {
			return
		}
	}
	made := &ir.ExternalAuth{
		URL: a.URL.Text, OwnHost: a.URL.OwnHost, TLS: a.URL.Secure, Host: a.URL.Host, Target: a.URL.Target, Method: a.Method,
		SignIn: a.SignIn, SignInParam: a.SignInParam, ResponseHeaders: a.ResponseHeaders, Redirect: a.Redirect,
		AlwaysSetCookie: a.AlwaysSetCookie,
	}
	if a.CacheKey != "" {
		made.CacheKey, made.CacheFor = a.CacheKey, a.CacheFor
	}
	if a.SetHeaders != "" {
		object, wrong := c.configMap(a.SetHeaders)
		if wrong == "" {
			made.SetHeaders, wrong = textFieldsOf(object)
		}
		if wrong != "" {
			c.deny("auth-proxy-set-headers", wrong)
			return
		}
	}
	if !made.OwnHost {
		c.authTo = c.urlBackend(name, "every request gets 500", &a.URL)
		made.Backend = c.authTo.ID
	}
	c.values.ExternalAuth = made
	if made.SignIn != "" && !c.writes("custom-http-errors") {
		// In nginx its own page for 401 keeps those of all hosts away.
		c.values.ErrorStatuses = nil
	}
}

// compileMirror makes the policy of mirror-target.
func (c *compilation) compileMirror() {
	u := &c.values.MirrorTarget
	if u.Host == "" {
		return
	}
	m := &ir.Mirror{URL: u.Text, TLS: u.Secure, Host: c.values.MirrorHost, Target: u.Target, Body: c.values.MirrorBody}
	if m.Host == "" {
		m.Host = u.Host
	}
	c.mirrorTo = c.urlBackend("mirror-target", "nothing is mirrored", u)
	m.Backend = c.mirrorTo.ID
	c.values.Mirror = m
}

// textFieldsOf reads a ConfigMap whose entries are fields with variables.
func textFieldsOf(object *corev1.ConfigMap) (fields []ir.Field, wrong string) {
	fields, wrong = fieldsOf(object)
	for _, f := range fields {
		if _, err := variable.Parse(f.Value); err != nil {
			return nil, fmt.Sprintf("ConfigMap %q, field %s: %v", object.Namespace+"/"+object.Name, f.Name, err)
		}
	}
	return fields, wrong
}

// urlBackend returns where a URL leads: the name of a Service is the Service
// itself, without DNS and without a way around; every other name or address is
// outside. instead says what happens when the Service has no such port.
func (c *compilation) urlBackend(name, instead string, u *annotation.URLText) ir.Backend {
	port := strconv.Itoa(int(u.Port))
	b := ir.Backend{
		ID: ir.BackendID("external/" + u.Host + "/" + port), Namespace: "external", Service: u.Host, Port: port,
		External: &ir.External{Host: u.Host, Port: u.Port},
	}
	if full, ok := c.serviceNamed(u.Host); ok {
		object := c.v.Services[full]
		c.services = append(c.services, serviceUse{full, object})
		b = backendOf(full, port)
		switch sp, ok := servicePort(object, port); {
		case ok:
			b = backendOf(full, strconv.Itoa(int(sp.Port)))
		case object == nil:
			c.report(CodeNoService, ir.SeverityError, annotation.Field(c.t.options.AnnotationsPrefix+"/"+name),
				"there is no Service %q in namespace %q; %s until it exists", full.Name, full.Namespace, instead)
		default:
			c.report(CodeNoPort, ir.SeverityError, annotation.Field(c.t.options.AnnotationsPrefix+"/"+name),
				"Service %q has no TCP port %q (it has %s); %s", full.Name, port, portList(object), instead)
		}
	}
	if u.Secure {
		b.ID += ir.BackendID(" tls " + u.Host)
		b.TLS = &ir.BackendTLS{}
		if _, err := netip.ParseAddr(u.Host); err != nil {
			b.TLS.ServerName = u.Host
		}
	}
	return b
}

// clusterDomain is what names of Services end in.
const clusterDomain = ".cluster.local"

// serviceNamed reads "name.namespace.svc", with or without the cluster's domain.
// Two labels are a Service only if there is one: they may be any name.
func (c *compilation) serviceNamed(host string) (full store.Name, ok bool) {
	labels := strings.Split(strings.TrimSuffix(host, clusterDomain), ".")
	switch {
	case len(labels) == 3 && labels[2] == "svc":
		return store.Name{Namespace: labels[1], Name: labels[0]}, true
	case len(labels) == 2 && !strings.HasSuffix(host, clusterDomain):
		full = store.Name{Namespace: labels[1], Name: labels[0]}
		object := c.v.Services[full]
		c.services = append(c.services, serviceUse{full, object})
		return full, object != nil
	}
	return full, false
}
