package snippet

import (
	"slices"
	"strings"

	"daemun/internal/expression"
	"daemun/internal/ir"
	"daemun/internal/variable"
)

func readSet(r *reader, d *directive) string {
	name, ok := strings.CutPrefix(d.args[0].text, "$")
	switch {
	case !ok || !variableName(name):
		return "its first argument is no variable: write $name"
	case variable.Known(name) && name != "args":
		return "$" + name + " is a variable of nginx, which cannot be set here: take another name"
	}
	r.declare(name)
	r.act(ir.Action{Set: &ir.Assignment{Name: name, Value: r.text(d, d.args[1])}})
	return ""
}

func variableName(s string) bool {
	return fieldName.MatchString(s) && !strings.Contains(s, "-") && (s[0] < '0' || s[0] > '9')
}

func (r *reader) act(a ir.Action) { r.Steps = append(r.Steps, ir.Step{Action: a}) }

func readBreak(r *reader, _ *directive) string {
	r.act(ir.Action{Break: true})
	return ""
}

func readReturn(r *reader, d *directive) string {
	first := d.args[0]
	code, isCode := status(first.text)
	if first.text == "444" {
		code, isCode = 444, true
	}
	made := &ir.Return{Status: code}
	switch {
	case !isCode && len(d.args) == 2:
		return "its first argument is no status: write one from 200 to 599"
	case !isCode:
		if !isURL(first.text) {
			return "its argument is neither a status nor a URL that begins with http://, https:// or $scheme"
		}
		made.Status, made.Text = 302, r.text(d, first)
	case len(d.args) == 2:
		made.Text = r.text(d, d.args[1])
		if !isRedirect(code) {
			made.Type = r.mediaType()
		}
	}
	r.act(ir.Action{Return: made})
	return ""
}

// mediaType is the default_type around, that of nginx is for files only.
func (r *reader) mediaType() string {
	for ; r != nil; r = r.outer {
		if r.kind != "" {
			return r.kind
		}
	}
	return "text/html"
}

func isURL(s string) bool {
	return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "$scheme")
}

func readRewrite(r *reader, d *directive) string {
	w := &ir.RewriteStep{Pattern: d.args[0].text}
	if wrong := r.expression(d, w.Pattern, expression.Exact); wrong != "" {
		return wrong
	}
	target := r.text(d, d.args[1])
	path, args, hasArgs := strings.Cut(target, "?")
	w.Path = path
	if hasArgs {
		w.Args, w.DropArgs = strings.CutSuffix(args, "?")
		w.DropArgs = w.DropArgs || args == ""
		w.HasArgs = w.Args != ""
	}
	if isURL(target) {
		w.Status = 302
	}
	if len(d.args) == 3 {
		switch flag := d.args[2].text; flag {
		case "last", "break":
			w.Flag = ir.RewriteFlag(flag)
		case "redirect":
			w.Status = 302
		case "permanent":
			w.Status = 301
		default:
			return "its last argument is none of last, break, redirect and permanent"
		}
	}
	r.act(ir.Action{Rewrite: w})
	return ""
}

var comparisons = []ir.Comparison{ir.Equal, ir.NotEqual, ir.Matches, ir.MatchesFold, ir.Differs, ir.DiffersFold}

func readIf(r *reader, d *directive) string {
	c, wrong := r.condition(d)
	if wrong != "" {
		return wrong
	}
	context := ifLocation
	if r.context == Server {
		context = ifServer
	}
	inner := &reader{Block: &Block{}, o: r.o, context: context, outer: r}
	inner.read(d.block)
	r.captures = r.captures || inner.captures
	step := ir.Step{If: c}
	for _, s := range inner.Steps {
		step.Then = append(step.Then, s.Action)
	}
	edits := inner.Edits
	noLog := len(inner.Apply) > 0 // access_log is the only one that is allowed
	if noLog || len(edits.Request)+len(edits.Response) > 0 {
		r.Variants = append(r.Variants, ir.Variant{Fields: &edits, NoLog: noLog})
		step.Variant = len(r.Variants)
	}
	r.Steps = append(r.Steps, step)
	return ""
}

// condition reads what stands in parentheses.
func (r *reader) condition(d *directive) (c *ir.Condition, wrong string) {
	const usage = "its condition is none that can be compared: write ($variable), ($variable = text), or !=, ~, ~*, !~ or !~* in place of ="
	words := slices.Clone(d.args)
	open, opened := strings.CutPrefix(words[0].text, "(")
	words[0].text = open
	if open == "" {
		words = words[1:]
	}
	if !opened || len(words) == 0 {
		return nil, usage
	}
	last := &words[len(words)-1]
	closed := false
	last.text, closed = strings.CutSuffix(last.text, ")")
	if last.text == "" && len(words) > 1 && last.text != words[0].text {
		words = words[:len(words)-1]
	}
	if !closed || len(words) == 0 {
		return nil, usage
	}
	left := words[0]
	if strings.HasPrefix(left.text, "-") || strings.HasPrefix(left.text, "!-") {
		return nil, "it asks for files, and there are none"
	}
	if !strings.HasPrefix(left.text, "$") || !variableName(strings.Trim(left.text[1:], "{}")) {
		return nil, usage
	}
	c = &ir.Condition{Left: r.text(d, left)}
	if len(words) == 1 {
		return c, ""
	}
	c.Op = ir.Comparison(words[1].text)
	if len(words) > 3 || !slices.Contains(comparisons, c.Op) {
		return nil, usage
	}
	if len(words) == 3 {
		c.Right = words[2].text
	}
	switch c.Op {
	case ir.Equal, ir.NotEqual:
		if len(words) == 3 {
			r.text(d, words[2])
		}
		return c, ""
	case ir.MatchesFold, ir.DiffersFold:
		return c, r.expression(d, c.Right, expression.Fold)
	}
	return c, r.expression(d, c.Right, expression.Exact)
}

func readLocation(r *reader, d *directive) string {
	match, pattern := ir.LocationPrefix, d.args[0].text
	switch {
	case len(d.args) == 2:
		match, pattern = ir.LocationMatch(pattern), d.args[1].text
		if !slices.Contains([]ir.LocationMatch{ir.LocationFirm, ir.LocationExact, ir.LocationRegex, ir.LocationRegexFold}, match) {
			return "its first argument is none of =, ^~, ~ and ~*"
		}
	case strings.HasPrefix(pattern, "@"):
		if match = ir.LocationNamed; r.context == Location {
			return "a location with a name stands in a server-snippet only"
		}
	}
	if match == ir.LocationRegex || match == ir.LocationRegexFold {
		if wrong := r.expression(d, pattern, expression.Case(match == ir.LocationRegexFold)); wrong != "" {
			return wrong
		}
	} else if match != ir.LocationNamed && !strings.HasPrefix(pattern, "/") {
		return `its path does not begin with "/"`
	}
	inner := r.inner(d, innerLocation)
	if match == ir.LocationRegex || match == ir.LocationRegexFold {
		inner.Steps = append(inner.Groups(pattern, match == ir.LocationRegexFold), inner.Steps...)
	}
	r.Locations = append(r.Locations, LocationBlock{At: d.at, Match: match, Pattern: pattern, Block: inner.Block})
	return ""
}

// inner reads a block.
func (r *reader) inner(d *directive, c Context) *reader {
	inner := &reader{Block: &Block{}, o: r.o, context: c, outer: r}
	inner.read(d.block)
	return inner
}

func readErrorPage(r *reader, d *directive) string {
	args := d.args
	to := args[len(args)-1]
	args = args[:len(args)-1]
	page := ir.ErrorPage{To: r.text(d, to)}
	if last := args[len(args)-1].text; strings.HasPrefix(last, "=") {
		args = args[:len(args)-1]
		if page.OwnStatus = last == "="; !page.OwnStatus {
			var ok bool
			if page.Status, ok = status(last[1:]); !ok {
				return "the status behind = is none from 200 to 599"
			}
		}
	}
	for _, a := range args {
		s, ok := status(a.text)
		if !ok || s < 300 {
			return a.text + " is no status from 300 to 599"
		}
		page.Statuses = append(page.Statuses, s)
	}
	if len(page.Statuses) == 0 {
		return "it names no status"
	}
	slices.Sort(page.Statuses)
	switch {
	case strings.HasPrefix(to.text, "@"):
		if !slices.Contains(r.root().names, to.text) && !slices.Contains(r.o.Locations, to.text) {
			r.root().Problems = append(r.root().Problems, Problem{
				Place: to.at, Directive: d.name, Variable: true, Message: "there is no location " + to.text + " in this snippet, and none in the server-snippet of this Ingress",
			})
		}
	case !strings.HasPrefix(to.text, "/") && !strings.HasPrefix(to.text, "$") && !isURL(to.text):
		return "its last argument is none of a path, a location such as @name, and a URL that begins with http://, https:// or a variable"
	}
	r.ErrorPages = append(r.ErrorPages, page)
	return ""
}
