package migrate

import (
	"fmt"
	"io"
)

// Print writes the report for people: what is kept without a word is only
// counted.
func (r *Report) Print(w io.Writer) error {
	p := &printer{w: w}
	for i := range r.Objects {
		p.object(&r.Objects[i])
	}
	if r.Missing != "" {
		p.printf("ConfigMap %s: not found in what was read; its keys are not judged. --configmap wants NAMESPACE/NAME\n\n", r.Missing)
	}
	p.printf("Holds for every set-up:\n")
	for _, d := range r.Differences {
		p.printf("  - %s\n", d)
	}
	return p.err
}

// Line is the report in one line.
func (r *Report) Line() string {
	line := fmt.Sprintf("%s: %d kept as they are, %d changed, %d with something unsupported", count(len(r.Objects), "object"), r.Summary[Kept], r.Summary[Changed], r.Summary[Unsupported])
	if r.OtherClass > 0 {
		line += fmt.Sprintf("; Ingresses of other classes: %d", r.OtherClass)
	}
	return line
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

type printer struct {
	w   io.Writer
	err error
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

func (p *printer) object(o *Object) {
	silent := 0
	head := false
	for _, f := range o.Findings {
		if f.Verdict == Kept && f.Text == "" {
			silent++
			continue
		}
		if !head {
			head = true
			p.printf("%s %s/%s\n", o.Kind, o.Namespace, o.Name)
		}
		at := ""
		if f.Place != "" {
			at = " (" + f.Place + ")"
		}
		value := ""
		if f.Value != "" {
			value = fmt.Sprintf(" %.60q", f.Value)
		}
		p.printf("  %-11s  %s%s%s: %s\n", f.Verdict, f.Subject, value, at, f.Text)
	}
	if head {
		if silent > 0 {
			p.printf("  %-11s  %d more\n", Kept, silent)
		}
		p.printf("\n")
	}
}
