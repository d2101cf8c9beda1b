// Package migrate says what becomes of a set-up of ingress-nginx under Daemun:
// what is kept, what changes and how, what is not there and what to do instead.
//
//	r := migrate.New(migrate.Input{View: view, Result: translated, Options: options})
//	r.Print(os.Stdout)
//
// It turns objects and the problems of their translation into a report. It
// reads the tables of annotations and ConfigMap keys and decides nothing that
// they do not say; it is pure.
package migrate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"daemun/internal/annotation"
	"daemun/internal/configmap"
	"daemun/internal/expression"
	"daemun/internal/ir"
	"daemun/internal/snippet"
	"daemun/internal/store"
	"daemun/internal/translate"
)

// Verdict is what becomes of one setting.
type Verdict string

// The verdicts, from good to bad.
const (
	// Kept means the same as with ingress-nginx.
	Kept Verdict = "kept"
	// Changed works, but not exactly so; the text says how.
	Changed Verdict = "changed"
	// Unsupported is not there; the text says what to do.
	Unsupported Verdict = "unsupported"
)

// Finding is the verdict on one setting.
type Finding struct {
	Verdict Verdict `json:"verdict"`
	// Subject is the name of an annotation or key, or a field.
	Subject string `json:"subject"`
	Value   string `json:"value,omitempty"`
	// Text says what changes, or what to do; empty where nothing is to be
	// said.
	Text string `json:"text,omitempty"`
	// Place is "file:line:column", where it is known.
	Place string `json:"place,omitempty"`

	field string
}

// Object is one object and what becomes of it.
type Object struct {
	Kind      string    `json:"kind"`
	Namespace string    `json:"namespace"`
	Name      string    `json:"name"`
	Findings  []Finding `json:"findings"`
}

// Verdict is the worst of its findings.
func (o *Object) Verdict() Verdict {
	worst := Kept
	for _, f := range o.Findings {
		if rank(f.Verdict) > rank(worst) {
			worst = f.Verdict
		}
	}
	return worst
}

func rank(v Verdict) int { return slices.Index([]Verdict{Kept, Changed, Unsupported}, v) }

// Report is what becomes of everything.
type Report struct {
	// Version of this form; it changes only when a field means something else.
	Version int `json:"version"`
	// Objects are the Ingresses of our class, and the ConfigMap, sorted.
	Objects []Object `json:"objects"`
	// OtherClass counts Ingresses of other controllers.
	OtherClass int `json:"otherClass"`
	// Missing is a ConfigMap that was named and is not there: its keys were
	// not judged.
	Missing string `json:"missing,omitempty"`
	// Summary counts objects by their verdict.
	Summary map[Verdict]int `json:"summary"`
	// Differences hold for every set-up.
	Differences []string `json:"differences"`
}

// Input is what a report is made of.
type Input struct {
	View    *store.View
	Result  translate.Result
	Options translate.Options
	// Place prints where a field is written; nil where objects have no files.
	Place func(object ir.Ref, field string) string
}

// New makes the report.
func New(in Input) *Report {
	r := &Report{Version: 1, OtherClass: in.Result.OtherClass, Summary: map[Verdict]int{Kept: 0, Changed: 0, Unsupported: 0}, Differences: differences()}
	problems := map[ir.Ref][]ir.Problem{}
	for _, p := range in.Result.Problems {
		problems[p.Object] = append(problems[p.Object], p)
	}
	settings := in.configMap(problems)
	if settings == nil {
		r.Missing = in.Options.ConfigMap
	}
	r.add(settings)
	for _, name := range in.Result.Accepted {
		r.add(in.ingress(name, problems))
	}
	slices.SortFunc(r.Objects, func(a, b Object) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return r
}

func (r *Report) add(o *Object) {
	if o == nil {
		return
	}
	r.Objects = append(r.Objects, *o)
	r.Summary[o.Verdict()]++
}

func (in *Input) ingress(name store.Name, problems map[ir.Ref][]ir.Problem) *Object {
	object := in.View.Ingresses[name]
	if object == nil {
		return nil
	}
	o := &Object{Kind: "Ingress", Namespace: name.Namespace, Name: name.Name, Findings: []Finding{}}
	ref := ir.Ref{Kind: o.Kind, Namespace: o.Namespace, Name: o.Name}
	own := problems[ref]
	prefix := in.Options.AnnotationsPrefix + "/"
	for _, key := range slices.Sorted(maps.Keys(object.Annotations)) {
		bare, ours := strings.CutPrefix(key, prefix)
		value := strings.TrimSpace(object.Annotations[key])
		if !ours || value == "" {
			continue
		}
		f := annotationFinding(bare, value, problemsAt(own, annotation.Field(key)), in.Options.Beyond)
		f.field = annotation.Field(key)
		o.Findings = append(o.Findings, f)
	}
	for _, p := range own {
		if p.Code == translate.CodeCostly {
			o.Findings = append(o.Findings, Finding{Verdict: Changed, Subject: p.Field, Text: p.Message, field: p.Field})
		}
		if text := behaviours()[p.Code]; text != "" {
			o.Findings = append(o.Findings, Finding{Verdict: Unsupported, Subject: p.Field, Text: p.Message + "; " + text, field: p.Field})
		}
	}
	in.place(ref, o)
	return o
}

func (in *Input) place(ref ir.Ref, o *Object) {
	if in.Place == nil {
		return
	}
	for i := range o.Findings {
		o.Findings[i].Place = in.Place(ref, o.Findings[i].field)
	}
}

func problemsAt(problems []ir.Problem, field string) (list []ir.Problem) {
	for _, p := range problems {
		if p.Field == field {
			list = append(list, p)
		}
	}
	return list
}

// annotationFinding judges one annotation by its row and by what translation
// says of its value.
func annotationFinding(name, value string, problems []ir.Problem, beyond expression.Engine) Finding {
	f := Finding{Verdict: Kept, Subject: name, Value: value}
	row, known := annotation.Lookup(name)
	if !known {
		f.Text = "no effect with ingress-nginx either" + said(problems)
		return f
	}
	switch row.Support {
	case annotation.Refused:
		f.Verdict, f.Text = Unsupported, "configuration text is never accepted, and the Ingress is not loaded; say the same with typed annotations, and remove this one"
	case annotation.Obsolete:
		f.Text = "no effect with ingress-nginx either; it can be removed"
	case annotation.Later:
		if len(problems) > 0 {
			f.Verdict, f.Text = Unsupported, problems[0].Message
		}
	case annotation.Supported:
		f.judge(name, value, problems)
		if context, ok := contexts[name]; ok {
			f.judgeSnippet(context, value, snippet.Options{Beyond: beyond})
		}
	}
	return f
}

// contexts are those of the snippets.
var contexts = map[string]snippet.Context{
	"configuration-snippet": snippet.Location, "server-snippet": snippet.Server, "auth-snippet": snippet.Auth, "stream-snippet": snippet.Other,
}

// judgeSnippet reads a snippet whether it is allowed or not. Variables of other
// texts are not known here, which is for translation to say.
func (f *Finding) judgeSnippet(context snippet.Context, text string, o snippet.Options) {
	var texts []string
	for _, p := range snippet.Read(context, text, o).Problems {
		if p.Weight == snippet.Broken && !p.Variable {
			texts = append(texts, fmt.Sprintf("%v: %s: %s", p.Place, p.Directive, p.Message))
		}
	}
	if len(texts) > 0 {
		f.Verdict, f.Text = Unsupported, strings.Join(texts, "; ")
	}
}

// judge is for annotations that work.
func (f *Finding) judge(name, value string, problems []ir.Problem) {
	for _, n := range notes() {
		if n.name == name && (n.when == nil || n.when(value)) {
			f.Verdict, f.Text = Changed, n.how
		}
	}
	for _, p := range problems {
		verdict, more := verdictOf(name, p)
		switch text := p.Message + more; {
		case verdict == Kept && f.Verdict != Kept:
			f.Text += "; " + text
		default:
			f.Verdict, f.Text = verdict, text
		}
	}
}

func said(problems []ir.Problem) string {
	if len(problems) == 0 {
		return ""
	}
	if _, near, ok := strings.Cut(problems[0].Message, "did you mean "); ok {
		return "; did you mean " + near
	}
	return ""
}

func (in *Input) configMap(problems map[ir.Ref][]ir.Problem) *Object {
	namespace, name, _ := strings.Cut(in.Options.ConfigMap, "/")
	object := in.View.ConfigMaps[store.Name{Namespace: namespace, Name: name}]
	if object == nil {
		return nil
	}
	o := &Object{Kind: "ConfigMap", Namespace: namespace, Name: name, Findings: []Finding{}}
	ref := ir.Ref{Kind: o.Kind, Namespace: namespace, Name: name}
	rows := map[string]configmap.Row{}
	for _, r := range configmap.All() {
		rows[r.Name] = r
	}
	for _, key := range slices.Sorted(maps.Keys(object.Data)) {
		value := strings.TrimSpace(object.Data[key])
		if value == "" {
			continue
		}
		f := keyFinding(rows[key], value, problemsAt(problems[ref], configmap.Field(key)))
		f.Subject, f.field = key, configmap.Field(key)
		o.Findings = append(o.Findings, f)
	}
	in.place(ref, o)
	return o
}

func keyFinding(row configmap.Row, value string, problems []ir.Problem) Finding {
	f := Finding{Verdict: Kept, Value: value}
	if row.Name == "" {
		f.Text = "no effect with ingress-nginx either" + said(problems)
		return f
	}
	for _, p := range problems {
		verdict, more := verdictOf(row.Name, p)
		f.Verdict, f.Text = verdict, p.Message+more
		if p.Code == configmap.CodeLater || p.Code == configmap.CodeLaterGuard || p.Code == configmap.CodeSnippet ||
			p.Code == translate.CodeSnippet || p.Code == translate.CodeSnippetIgnored {
			f.Verdict = Unsupported
		}
	}
	return f
}
