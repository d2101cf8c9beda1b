package codebase

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// listed is what `go list -json` says of a package.
type listed struct {
	ImportPath string
	Name       string
	Doc        string
	Imports    []string
	Deps       []string
	Standard   bool
	Module     *struct{ Path string }
	GoFiles    []string
}

// goList returns the packages of this module.
func goList(t *testing.T) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Name,Doc,Imports,Deps,Standard,Module,GoFiles", "./...")
	cmd.Dir = "../.."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var list []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

// rule forbids imports, direct or through others.
type rule struct {
	packages  []string // below daemun/internal
	forbidden []string // import path prefixes
	why       string
}

func importRules() []rule {
	dataSide := []string{
		"accesslog",
		"canonical",
		"compress",
		"dns",
		"expression",
		"fastcgi",
		"http1",
		"http2",
		"ir",
		"l4",
		"listen",
		"passthrough",
		"policy",
		"proxy",
		"proxyproto",
		"sni",
		"spool",
		"table",
		"trace",
		"tap",
		"tunnel",
		"upstream",
		"variable",
	}
	bare := []string{ // of the data side, those without net/http
		"accesslog",
		"canonical",
		"dns",
		"expression",
		"fastcgi",
		"http1",
		"ir",
		"l4",
		"policy",
		"proxyproto",
		"sni",
		"trace",
		"tap",
		"spool",
		"tunnel",
		"variable",
	}
	return []rule{
		{[]string{"ir"}, []string{"daemun/"}, "everybody imports the IR, so it imports nobody"},
		{dataSide, []string{"k8s.io/", "sigs.k8s.io/"}, "the data side knows no Kubernetes types: translation ends at the IR"},
		{dataSide, []string{"daemun/internal/store", "daemun/internal/translate", "daemun/internal/annotation", "daemun/internal/manifest", "daemun/internal/standalone", "daemun/internal/control"}, "the data side is driven by the control side, never the other way"},
		{dataSide, []string{"github.com/spf13/", "go.opentelemetry.io/"}, "command line and exporters are edges"},
		{bare, []string{"net/http", "github.com/prometheus/"}, "the hot path has its own codec and counters"},
		{[]string{"l4"}, []string{"daemun/internal/table", "daemun/internal/http1", "daemun/internal/listen", "daemun/internal/upstream", "daemun/internal/dns"}, "layer 4 knows nothing above TCP and UDP"},
		{dataSide, []string{"github.com/tg123/", "golang.org/x/crypto"}, "password hashes are an edge: policy has an interface for them"},
		{[]string{"http1", "fastcgi", "proxyproto", "sni"}, []string{"daemun/internal/"}, "the codec knows octets only"},
		{[]string{"compress"}, []string{"daemun/internal/http1", "daemun/internal/table", "daemun/internal/proxy"}, "contents are compressed, whatever carries them"},
		{[]string{"http2"}, []string{"daemun/internal/ir", "daemun/internal/table", "daemun/internal/proxy", "daemun/internal/upstream", "daemun/internal/canonical"}, "the stream layer knows nothing of routes"},
		{[]string{"policy"}, []string{"daemun/internal/proxy", "daemun/internal/table", "daemun/internal/listen"}, "a policy decides about names and values, whatever carries them"},
		{[]string{"translate", "annotation", "network", "snippet"}, []string{"daemun/internal/table", "daemun/internal/proxy", "daemun/internal/upstream", "daemun/internal/standalone", "daemun/internal/manifest", "os/exec"}, "translation is pure: objects in, IR and problems out"},
		{[]string{"network"}, []string{"daemun/internal/l4", "daemun/internal/dns"}, "who serves a network reads it, and is not known to who makes it"},
		{[]string{"spool"}, []string{"daemun/"}, "who keeps octets does not know whose they are"},
		{[]string{"tunnel"}, []string{"daemun/"}, "who carries octets both ways does not know what was agreed on before"},
		{[]string{"resolvconf"}, []string{"daemun/"}, "a file format knows nobody"},
		{[]string{"manifest", "standalone", "process", "probe"}, []string{"daemun/internal/table", "daemun/internal/proxy", "daemun/internal/upstream", "daemun/internal/translate", "daemun/internal/listen", "daemun/internal/l4", "daemun/internal/dns"}, "sources of objects know nothing of traffic"},
		{dataSide, []string{"github.com/corazawaf/", "github.com/oschwald/"}, "the engine of the firewall and databases of addresses are edges: policy and variable have interfaces for them"},
		{[]string{"geo"}, []string{"daemun/internal/proxy", "daemun/internal/table", "daemun/internal/store", "k8s.io/"}, "databases about addresses know nothing of requests"},
		{[]string{"waf"}, []string{"daemun/internal/proxy", "daemun/internal/table", "daemun/internal/store", "k8s.io/"}, "rules judge what they are told of a request, whatever carries it"},
		{[]string{"otlp"}, []string{"daemun/internal/proxy", "daemun/internal/table", "daemun/internal/store", "k8s.io/", "google.golang.org/", "go.opentelemetry.io/"}, "an exporter reads spans and knows nothing of requests; its format is small enough to be written by hand"},
		{[]string{"staple"}, []string{"daemun/internal/listen", "daemun/internal/store", "daemun/internal/proxy", "daemun/internal/table", "k8s.io/"}, "answers about certificates know nothing of handshakes or Secrets"},
		{[]string{"overload", "watchdog"}, []string{"daemun/"}, "who looks at the program from outside knows nothing of its parts"},
		{[]string{"handover"}, []string{"daemun/"}, "who hands sockets over knows nothing of what is served on them"},
		{[]string{"dashboard"}, []string{"daemun/internal/proxy", "daemun/internal/standalone", "daemun/internal/process"}, "pages read what is given to them"},
		{[]string{"history"}, []string{"daemun/internal/table", "daemun/internal/ir", "daemun/internal/store"}, "the history of counters knows no routes"},
		{[]string{"problems"}, []string{"daemun/"}, "the reference of codes knows nobody who finds problems"},
		{[]string{"echo"}, []string{"daemun/"}, "the built-in image is a program of its own"},
		{[]string{"kube"}, []string{"daemun/internal/table", "daemun/internal/proxy", "daemun/internal/upstream", "daemun/internal/translate", "daemun/internal/listen"}, "sources of objects know nothing of traffic"},
		{[]string{"kube"}, []string{"k8s.io/client-go/kubernetes", "k8s.io/client-go/informers", "sigs.k8s.io/controller-runtime"}, "the generated clients link every API group"},
		{[]string{"store", "translate", "control", "admin", "console", "explain", "dashboard"}, []string{"k8s.io/client-go"}, "only internal/kube speaks to an API server"},
	}
}

func TestImportDirections(t *testing.T) {
	t.Parallel()
	const internal = "daemun/internal/"
	deps := map[string][]string{}
	for _, p := range goList(t) {
		deps[p.ImportPath] = p.Deps
	}
	for _, r := range importRules() {
		for _, name := range r.packages {
			found, ok := deps[internal+name]
			if !ok {
				t.Errorf("rule names package %s, which does not exist", name)
			}
			for _, dep := range found {
				for _, bad := range r.forbidden {
					if within(dep, bad) {
						t.Errorf("%s%s imports %s: %s", internal, name, dep, r.why)
					}
				}
			}
		}
	}
}

// within tells whether a package is the one that is named, or below it.
func within(pkg, name string) bool {
	return strings.HasPrefix(pkg, name) && (len(pkg) == len(name) || strings.HasSuffix(name, "/") || pkg[len(name)] == '/')
}

// TestOneUserOfClientGo: what crosses the edge are API types, not clients.
func TestOneUserOfClientGo(t *testing.T) {
	t.Parallel()
	for _, p := range goList(t) {
		for _, dep := range p.Imports {
			if strings.HasPrefix(dep, "k8s.io/client-go") && p.ImportPath != "daemun/internal/kube" {
				t.Errorf("%s imports %s: only internal/kube speaks to an API server", p.ImportPath, dep)
			}
		}
	}
}

// TestDirectImports is for packages that use the Framer of golang.org/x/net: its
// package holds a server, too, so that net/http comes with it unasked.
func TestDirectImports(t *testing.T) {
	t.Parallel()
	for _, p := range goList(t) {
		if p.ImportPath != "daemun/internal/http2" && p.ImportPath != "daemun/internal/upstream" {
			continue
		}
		for _, dep := range p.Imports {
			if dep == "net/http" || strings.HasPrefix(dep, "github.com/prometheus/") {
				t.Errorf("%s imports %s: the hot path has its own codec and counters", p.ImportPath, dep)
			}
		}
	}
}

// TestPackageNames refuses generic names and packages that do not say what
// they are.
func TestPackageNames(t *testing.T) {
	t.Parallel()
	for _, p := range goList(t) {
		switch p.Name {
		case "util", "utils", "common", "helpers", "types", "misc":
			t.Errorf("%s: the name says nothing; name it for what it provides", p.ImportPath)
		}
		if len(p.GoFiles) > 0 && p.Doc == "" {
			t.Errorf("%s has no package comment: say what it turns into what, and what it must not know", p.ImportPath)
		}
	}
}
