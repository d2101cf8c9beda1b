package configmap

import (
	"regexp"
	"strings"
	"testing"

	"daemun/internal/annotation"
	"daemun/internal/ir"
)

// TestRows: a supported key has a parser or an annotation, every key has a
// documentation line or that of its annotation, and the default is accepted.
func TestRows(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range rows {
		t.Run(r.Name, func(t *testing.T) {
			t.Parallel()
			if (r.parse != nil) != (r.Support == Supported && r.annotation == "") {
				t.Error("a parser belongs to Support: Supported and to no other")
			}
			if r.Doc == "" && r.annotation == "" || r.Doc != "" && !strings.HasSuffix(r.Doc, ".") {
				t.Errorf("documentation line %q: want a sentence", r.Doc)
			}
			if r.Default != "" && r.support() == Supported {
				v := Default()
				if err := r.set(r.Default, &v); err != nil {
					t.Errorf("the default %q %v", r.Default, err)
				}
			}
		})
		if seen[r.Name] {
			t.Errorf("%s is listed twice", r.Name)
		}
		seen[r.Name] = true
	}
}

// TestDefaultsOfAnnotations: the text of an annotation means the same as the
// default of it.
func TestDefaultsOfAnnotations(t *testing.T) {
	t.Parallel()
	object := ir.Ref{Kind: "ConfigMap", Namespace: "a", Name: "b"}
	for _, r := range rows {
		if r.annotation == "" || r.support() != Supported || r.Default == "" {
			continue
		}
		if got := Parse(object, map[string]string{r.Name: r.Default}); len(got.Problems) > 0 {
			t.Errorf("%s: %v", r.Name, got.Problems)
		}
	}
	v := Parse(object, map[string]string{"proxy-body-size": "8m"}).Values
	r := annotation.ParseOver(v.Defaults, "p", ir.Ref{}, map[string]string{"p/proxy-read-timeout": "7"})
	if r.Values.MaxBody != 8<<20 || r.Values.ReadTimeout.D().Seconds() != 7 {
		t.Errorf("%+v", r.Values.Policies)
	}
}

// TestEmptyValuesAreUnset, as those of annotations.
func TestEmptyValuesAreUnset(t *testing.T) {
	t.Parallel()
	for _, r := range rows {
		if got := Parse(ir.Ref{}, map[string]string{r.Name: " \n"}); len(got.Problems) > 0 || got.Values.Denied {
			t.Errorf("%s: %v", r.Name, got.Problems)
		}
	}
}

// FuzzParse: no text panics, and what is taken over keeps the promises of the
// IR.
func FuzzParse(f *testing.F) {
	for _, r := range rows {
		f.Add(r.Name, r.Default)
	}
	f.Add("keep-alive", "0")
	f.Add("worker-shutdown-timeout", "9999999999h")
	f.Add("proxy-connect-timeout", "99999999999999999999")
	f.Fuzz(func(t *testing.T, key, value string) {
		v := Parse(ir.Ref{}, map[string]string{key: value}).Values
		if s := v.Settings; s.KeepAlive <= 0 || s.KeepAliveRequests <= 0 || s.HeaderTimeout <= 0 || s.BodyTimeout <= 0 {
			t.Errorf("%q=%q: %+v", key, value, s)
		}
		if p := v.Defaults.Policies; p.ConnectTimeout <= 0 || p.SendTimeout <= 0 || p.ReadTimeout <= 0 || p.MaxBody < 0 {
			t.Errorf("%q=%q: %+v", key, value, p)
		}
		if v.ShutdownTimeout < 0 {
			t.Errorf("%q=%q: %v", key, value, v.ShutdownTimeout)
		}
	})
}

func TestOldBrowsers(t *testing.T) {
	t.Parallel()
	re := regexp.MustCompile(msie6)
	for agent, want := range map[string]bool{
		"Mozilla/45.0 (compatible; MSIE 6.0; Windows NT 5.1)": true, "MSIE 4.": true, "MSIE 5.5; SV1": true, "MSIE 6.0; SSV; SVSV": true, "MSIE 6.0 S": true,
		"Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; SV1)": false, "MSIE 6.SSV1": false, "MSIE 6.SVSV1x": false, "MSIE 7.0": false, "MSIE 10.0": false,
	} {
		if re.MatchString(agent) != want {
			t.Errorf("%s: want %v", agent, want)
		}
	}
}
