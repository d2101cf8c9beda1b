package diff

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConfigsCompareMeaning(t *testing.T) {
	t.Parallel()
	const before = `{"settings":{"keepAlive":"1m15s"},"backends":[{"id":"n/a/80","balance":{"kind":"ip"}},{"id":"n/b/80"}],"hosts":[
		{"name":"","routes":[{"pattern":"/","match":"Prefix","implicit":true}]},
		{"name":"a.test","owner":{"name":"x"},"routes":[{"pattern":"/","match":"Prefix","backend":"n/a/80","ingress":{"name":"x"},"readTimeout":"1m0s"}]},
		{"name":"gone.test","routes":[{"pattern":"/x","match":"Exact","backend":"n/b/80"},{"pattern":"/","match":"Prefix"}]}]}`
	for name, c := range map[string]struct {
		after string
		want  []Change
	}{
		"the same, written by another": {
			`{"settings":{"keepAlive":"1m15s"},"backends":[{"id":"n/a/80","balance":{"kind":"ip"}},{"id":"n/b/80"}],"hosts":[
			{"name":"","routes":[{"pattern":"/","match":"Prefix"}]},
			{"name":"a.test","owner":{"name":"y"},"routes":[{"pattern":"/","match":"Prefix","backend":"n/a/80","ingress":{"name":"y"},"readTimeout":"1m0s"}]},
			{"name":"gone.test","routes":[{"pattern":"/x","match":"Exact","backend":"n/b/80"},{"pattern":"/","match":"Prefix"}]}]}`, []Change{},
		},
		"values, a setting of the backend, a host that goes": {
			`{"settings":{"keepAlive":"5s"},"backends":[{"id":"n/a/80"}],"hosts":[
			{"name":"","routes":[{"pattern":"/","match":"Prefix"}]},
			{"name":"a.test","aliases":["b.test"],"routes":[{"pattern":"/","match":"Prefix","denied":503,"backend":"n/a/80","readTimeout":"5s"}]}]}`,
			[]Change{
				{Kind: Changed, Values: []Value{{"keepAlive", "1m15s", "5s"}}},
				{Kind: Changed, Host: "a.test", Values: []Value{{"aliases", "", `["b.test"]`}}},
				{Kind: Changed, Host: "a.test", Path: "/", Match: "Prefix", Goes: "answer 503", Values: []Value{{"backend balance.kind", "ip", ""}, {"goes to", "n/a/80", "answer 503"}, {"readTimeout", "1m0s", "5s"}}},
				{Kind: Removed, Host: "gone.test", Path: "/x", Match: "Exact", Goes: "n/b/80"},
			},
		},
	} {
		got, err := Configs(json.RawMessage(before), json.RawMessage(c.after))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	if _, err := Configs(json.RawMessage("[]"), json.RawMessage("{}")); err == nil {
		t.Error("no configuration was compared")
	}
}

// FuzzConfigs: whatever the running instance answers, there is an answer, and
// nothing differs from itself.
func FuzzConfigs(f *testing.F) {
	f.Add([]byte(`{"hosts":[{"name":"a","regexMode":true,"routes":[{"pattern":"/"},{"pattern":"/"}]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if changes, err := Configs(b, b); err == nil && len(changes) > 0 {
			t.Fatalf("%+v", changes)
		}
	})
}
