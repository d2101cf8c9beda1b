package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"daemun/internal/daemuntest"
)

// wrong is one file with one mistake.
type wrong struct {
	name string
	// broken and fixed are the file before and after the mistake is mended.
	broken, fixed string
	// says is a regular expression for the sentence: from the place in the file
	// to the code.
	says string
	// while is the answer of http://NAME.test/x while it is broken.
	while string
}

// file is the name of the file, and of the host.
func (w wrong) host() string { return strings.ReplaceAll(w.name, " ", "-") + ".test" }
func (w wrong) file() string { return strings.ReplaceAll(w.name, " ", "-") + ".yaml" }

// replaced makes a case of one Ingress in which a text is replaced.
func replaced(name, text, by, says, while string) wrong {
	w := wrong{name: name, says: says, while: while}
	w.fixed = oneIngress(strings.ReplaceAll(name, " ", "-"), w.host(), "web")
	w.broken = strings.Replace(w.fixed, text, by, 1)
	return w
}

func annotated(name, annotation, good, bad, says, while string) wrong {
	w := wrong{name: name, says: says, while: while}
	i := ingress{name: strings.ReplaceAll(name, " ", "-"), host: w.host(), rules: []rule{{"/", "web"}}, annotations: map[string]string{annotation: good}}
	w.fixed = i.String()
	i.annotations[annotation] = bad
	w.broken = i.String()
	return w
}

func wrongs(t *testing.T) []wrong {
	all := []wrong{
		replaced("unknown field", "pathType: Prefix", "pathtype: Prefix", `:12:13: Ingress default/unknown-field: spec\.rules\[0\]\.http\.paths\[0\]\.pathtype: .*pathType`, "404"),
		replaced("missing service", "name: web", "name: ghost", `:15:23: Ingress default/missing-service: .*ghost`, "503"),
		replaced("missing port", "number: 8080", "number: 9999", `:17:27: Ingress default/missing-port: .*9999.*8080`, "503"),
		replaced("syntax", "spec:", "spec: [", `:\d+:\d+: `, "404"),
		replaced("not an object", "kind: Ingress", "kinds: Ingress", `:1:1: .*kind`, "404"),
		replaced("wrong type", "number: 8080", "number: eighty", `:17:27: Ingress default/wrong-type: .*number: `, "404"),
		replaced("path type", "Prefix", "Prefixed", `:12:23: Ingress default/path-type: .*Exact.*`, "404"),
		replaced("template", "name: template", "name: {{ .Values.name }}", `:\d+:\d+: .*(Helm|helm|template)`, "404"),
		annotated("bad annotation", "proxy-body-size", "1m", "1 megabyte", `:\d+:\d+: Ingress default/bad-annotation: .*proxy-body-size.*1 megabyte`, "200 web"),
		annotated("misspelt annotation", "proxy-body-size", "1m", "1m", `:\d+:\d+: Ingress default/misspelt-annotation: .*proxy-body-size`, "200 web"),
		annotated("bad allow list", "whitelist-source-range", "127.0.0.0/8", "everybody", `:\d+:\d+: Ingress default/bad-allow-list: .*whitelist-source-range.*`, "503"),
	}
	for i := range all {
		switch w := &all[i]; w.name {
		case "misspelt annotation":
			w.broken = strings.Replace(w.broken, "proxy-body-size", "proxy-bodysize", 1)
		case "bad allow list": // mended by leaving it out
			w.fixed = oneIngress("bad-allow-list", w.host(), "web")
		}
	}
	return append(all, regexCase(), duplicateCase(), secretCase(t, true), secretCase(t, false))
}

func regexCase() wrong {
	w := wrong{name: "recursive", says: `:\d+:\d+: Ingress default/recursive: .*\(\?R`, while: "503"}
	i := ingress{name: "recursive", host: w.host(), pathType: "ImplementationSpecific", annotations: map[string]string{"use-regex": "true"}}
	i.rules = []rule{{"/(?R).*", "web"}}
	w.broken = i.String()
	i.rules = []rule{{"/.*", "web"}}
	w.fixed = i.String()
	return w
}

// duplicateCase claims a path of the Ingress "good".
func duplicateCase() wrong {
	w := wrong{name: "duplicate path", says: `:\d+:\d+: Ingress default/duplicate-path: .*default/good`, while: "404"}
	w.broken = oneIngress("duplicate-path", "good.test", "web")
	w.fixed = oneIngress("duplicate-path", w.host(), "web")
	return w
}

func secretCase(t *testing.T, missing bool) wrong {
	w := wrong{name: "bad certificate", says: `:\d+:\d+: Ingress default/bad-certificate: .*Secret "bad-certificate".*tls\.crt`, while: "308"}
	if missing {
		w = wrong{name: "missing secret", says: `:\d+:\d+: Ingress default/missing-secret: .*Secret.*missing-secret`, while: "308"}
	}
	name := strings.ReplaceAll(w.name, " ", "-")
	secret := daemuntest.TLSSecret(t, name, w.host(), w.name)
	text := ingress{name: name, host: w.host(), tls: name, rules: []rule{{"/", "web"}}, annotations: map[string]string{"ssl-redirect": "true"}}.String()
	w.fixed = text + "---\n" + secret
	w.broken = text
	if !missing {
		crt := regexp.MustCompile(`tls\.crt: .*`)
		w.broken += "---\n" + crt.ReplaceAllString(secret, "tls.crt: bm90IGEgY2VydGlmaWNhdGU=")
	}
	return w
}

// TestWrongInput runs many mistakes beside good objects: each is said in one
// clear line with its place, in all places in the same words, the rest serves,
// and mending the file is enough.
func TestWrongInput(t *testing.T) {
	t.Parallel()
	manifests := map[string]string{"a-web.yaml": echoApp{name: "web", replicas: 1}.String(), "a-good.yaml": oneIngress("good", "good.test", "web")}
	cases := wrongs(t)
	for _, w := range cases {
		manifests[w.file()] = w.broken
	}
	d := up(t, manifests)
	expect(t, d, "http://good.test/", "200 web")
	for _, w := range cases {
		t.Run(w.name, func(t *testing.T) { w.check(t, d) })
	}
	if out, code := d.Run("lint", "--failure-threshold", "notice", "manifests"); code != 0 {
		t.Errorf("lint of the mended files: exit code %d\n%s", code, out)
	}
	if out, _ := d.Run("get", "problems", "-A"); !strings.Contains(out, "No problems") {
		t.Errorf("get problems after all is mended:\n%s", out)
	}
}

// linesAbout returns the problem lines about a file in a text: what stands
// behind the file's name.
func linesAbout(text, severities, file string) (lines []string) {
	pattern := regexp.MustCompile(`(?m)^(?:daemun: )?(?:` + severities + `): (manifests/` + regexp.QuoteMeta(file) + `.*)$`)
	for _, m := range pattern.FindAllStringSubmatch(text, -1) {
		lines = append(lines, m[1])
	}
	return lines
}

func (w wrong) check(t *testing.T, d *daemuntest.Instance) {
	if got := saw(d, "http://"+w.host()+"/x"); got != w.while {
		t.Errorf("while it is wrong: got %q, want %q", got, w.while)
	}
	const severities = "error|warning|notice"
	said := linesAbout(d.Stderr(), severities, w.file())
	if len(said) != 1 {
		t.Fatalf("want one line, got %q", said)
	}
	if !regexp.MustCompile(`^manifests/` + regexp.QuoteMeta(w.file()) + w.says + `.* \[DMN\d{4}\]$`).MatchString(said[0]) {
		t.Errorf("said   %s\nwant …%s", said[0], w.says)
	}
	out, code := d.Run("lint", "--failure-threshold", "warning", "manifests/a-web.yaml", "manifests/a-good.yaml", "manifests/"+w.file())
	if linted := linesAbout(out, severities, w.file()); len(linted) != 1 || linted[0] != said[0] || code != 1 {
		t.Errorf("lint ends with %d and says\n%s\nwant %s", code, out, said[0])
	}
	if listed := problemsOf(t, d); !strings.Contains(listed, said[0]) {
		t.Errorf("get problems -A has\n%swant %s", listed, said[0])
	}
	if got := saw(d, "http://good.test/"); got != "200 web" {
		t.Errorf("the Ingress beside it: %q", got)
	}

	d.Write(w.file(), w.fixed)
	daemuntest.Eventually(t, 60*time.Second, "problem solved", func() error {
		if solved := linesAbout(d.Stderr(), "solved", w.file()); len(solved) != 1 || solved[0] != said[0] {
			return fmt.Errorf("solved: %q", solved)
		}
		return nil
	})
	scheme := "http://"
	if w.while == "308" {
		scheme = "https://"
	}
	expect(t, d, scheme+w.host()+"/x", "200 web")
}

// problemsOf prints what `get problems` knows as lines.
func problemsOf(t *testing.T, d *daemuntest.Instance) string {
	t.Helper()
	out, code := d.Run("get", "problems", "-A", "-o", "json")
	var list []struct {
		Code, Field, File, Message string
		Line, Column               int
		Object                     struct{ Kind, Namespace, Name string }
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v:\n%s", code, err, out)
	}
	var b strings.Builder
	for _, p := range list {
		fmt.Fprintf(&b, "%s:%d:%d: ", p.File, p.Line, p.Column)
		if p.Object != (struct{ Kind, Namespace, Name string }{}) {
			b.WriteString(strings.TrimSpace(p.Object.Kind+" "+strings.Trim(p.Object.Namespace+"/"+p.Object.Name, "/")) + ": ")
		}
		if p.Field != "" {
			b.WriteString(p.Field + ": ")
		}
		fmt.Fprintf(&b, "%s [%s]\n", p.Message, p.Code)
	}
	return b.String()
}

// TestDoesNotStart lists what keeps `up` from starting: one clear line, exit
// code 1.
func TestDoesNotStart(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	_, taken, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		says string
	}{
		{"http port taken", []string{"--http-port", taken}, `127\.0\.0\.1:` + taken + `.*--http-port`},
		{"https port taken", []string{"--https-port", taken}, `127\.0\.0\.1:` + taken + `.*--https-port`},
		{"admin port taken", []string{"--admin-address", "127.0.0.1:" + taken}, `127\.0\.0\.1:` + taken + `.*--admin-address`},
		{"no such address", []string{"--listen-address", "192.0.2.1"}, `192\.0\.2\.1:0: no network interface`},
		{"no such path", []string{"nowhere"}, `nowhere does not exist`},
		{"state directory is a file", []string{"--state-dir", "/proc/version"}, `state directory: .*--state-dir`},
		{"ready file in no folder", []string{"--ready-file", "/nowhere/ready.json"}, `ready file: `},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := daemuntest.Start(t, daemuntest.Options{Bin: bin, Args: append([]string{"--quiet"}, c.args...)}, map[string]string{"web.yaml": oneIngress("web", "web.test", "web")})
			var exit *exec.ExitError
			if err := d.Wait(30 * time.Second); !errors.As(err, &exit) || exit.ExitCode() != 1 {
				t.Errorf("ended with %v, want exit code 1", err)
			}
			var said []string
			for line := range strings.Lines(d.Stderr()) {
				if !strings.Contains(line, "[DMN") { // problems of the objects are said as ever
					said = append(said, line)
				}
			}
			if len(said) != 1 || !regexp.MustCompile(`^daemun: `+`.*`+c.says).MatchString(said[0]) {
				t.Errorf("said %q\nwant one line with %s", said, c.says)
			}
		})
	}
}

// TestOddFolders runs folders that hold something strange, or nothing.
func TestOddFolders(t *testing.T) {
	t.Parallel()
	good := map[string]string{"web.yaml": echoApp{name: "web", replicas: 1}.String() + "---\n" + oneIngress("good", "good.test", "web")}
	for _, c := range []struct {
		name string
		make func(t *testing.T, dir string)
		says string                         // about manifests/odd…
		mend func(t *testing.T, dir string) // nil: a notice, whose end is not said
	}{
		{"dangling link", func(t *testing.T, dir string) {
			must(t, os.Symlink("/nowhere/at-all", filepath.Join(dir, "odd.yaml")))
		}, `odd\.yaml: cannot be read: no such file`, func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, "odd.yaml")))
		}},
		{"link to itself", func(t *testing.T, dir string) {
			must(t, os.Symlink("odd.yaml", filepath.Join(dir, "odd.yaml")))
		}, `odd\.yaml: cannot be read: too many`, func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, "odd.yaml")))
		}},
		{"folder without permission", func(t *testing.T, dir string) {
			must(t, os.Mkdir(filepath.Join(dir, "odd"), 0o700))
			forbid(t, filepath.Join(dir, "odd"))
		}, `odd: cannot be read: permission denied`, func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, "odd")))
		}},
		{"file without permission", func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, "odd.yaml"), nil, 0o600))
			forbid(t, filepath.Join(dir, "odd.yaml"))
		}, `odd\.yaml: cannot be read: permission denied`, func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, "odd.yaml")))
		}},
		{"folder with a chart", func(t *testing.T, dir string) {
			must(t, os.MkdirAll(filepath.Join(dir, "odd", "templates"), 0o755))
			must(t, os.WriteFile(filepath.Join(dir, "odd", "Chart.yaml"), []byte("name: odd\n"), 0o644))
			must(t, os.WriteFile(filepath.Join(dir, "odd", "templates", "web.yaml"), []byte("kind: {{ .Values.kind }}\n"), 0o644))
		}, `helm template`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			must(t, os.Mkdir(filepath.Join(dir, "manifests"), 0o755))
			c.make(t, filepath.Join(dir, "manifests"))
			d := daemuntest.Up(t, daemuntest.Options{Bin: bin, Dir: dir, Confined: true, Args: []string{"--no-namespaces"}}, good)
			expect(t, d, "http://good.test/", "200 web")
			said := linesAbout(d.Stderr(), "error|warning|notice", "odd")
			if len(said) == 0 || !regexp.MustCompile(c.says).MatchString(strings.Join(said, "\n")) {
				t.Fatalf("said %q\nwant %s\n%s", said, c.says, d.Stderr())
			}
			if c.mend == nil {
				return
			}
			if len(said) != 1 {
				t.Errorf("want one line, got %q", said)
			}
			c.mend(t, d.Manifests)
			daemuntest.Eventually(t, 60*time.Second, "problem solved", func() error {
				if solved := linesAbout(d.Stderr(), "solved", "odd"); len(solved) != 1 || solved[0] != said[0] {
					return fmt.Errorf("solved: %q", solved)
				}
				return nil
			})
		})
	}
}

// TestEmptyFolder starts with nothing: it says so, and the first file is
// enough.
func TestEmptyFolder(t *testing.T) {
	t.Parallel()
	d := up(t, nil)
	if got := saw(d, "http://good.test/"); got != "404" {
		t.Errorf("got %q from nothing", got)
	}
	const says = "warning: manifests: holds no manifests"
	if out, _ := d.Run("lint", "manifests"); strings.Count(d.Stderr(), says) != 1 || !strings.Contains(out, says) {
		t.Errorf("want one line about the empty folder\nup said:\n%s\nlint said:\n%s", d.Stderr(), out)
	}
	d.Write("web.yaml", echoApp{name: "web", replicas: 1}.String()+"---\n"+oneIngress("good", "good.test", "web"))
	expect(t, d, "http://good.test/", "200 web")
}

// forbid takes a file away from an instance that is confined.
func forbid(t *testing.T, path string) {
	t.Helper()
	if os.Getuid() == 0 {
		must(t, os.Chown(path, 4711, 4711))
		return
	}
	must(t, os.Chmod(path, 0))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
