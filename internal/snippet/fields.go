package snippet

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"daemun/internal/ir"
)

func readAddHeader(r *reader, d *directive) string {
	if wrong := checkField(d.args[0].text, false); wrong != "" {
		return wrong
	}
	e := ir.FieldEdit{Kind: ir.EditAdd, Name: d.args[0].text, Value: r.text(d, d.args[1]), Statuses: addStatuses}
	if len(d.args) == 3 {
		if d.args[2].text != "always" {
			return `its last argument can only be "always"`
		}
		e.Statuses = nil
	}
	r.Edits.Response = append(r.Edits.Response, e)
	return ""
}

// limits are the options of the more_… directives.
type limits struct {
	statuses []int
	types    []string
	existing bool
}

// options takes -s, -t and -r off the front.
func options(d *directive) (l limits, rest []word, wrong string) {
	rest = d.args
	for len(rest) > 0 && strings.HasPrefix(rest[0].text, "-") {
		option := rest[0].text
		if option == "-r" {
			l.existing, rest = true, rest[1:]
			continue
		}
		if len(rest) < 2 || option != "-s" && option != "-t" {
			return l, nil, "its option " + option + " is none of -s, -t and -r"
		}
		for part := range strings.FieldsSeq(strings.ReplaceAll(rest[1].text, ",", " ")) {
			if option == "-t" {
				l.types = append(l.types, strings.ToLower(part))
				continue
			}
			code, ok := status(part)
			if !ok {
				return l, nil, part + " is no status"
			}
			l.statuses = append(l.statuses, code)
		}
		rest = rest[2:]
	}
	slices.Sort(l.statuses)
	if len(rest) == 0 {
		return l, nil, "it names no field"
	}
	return l, rest, ""
}

// more reads the fields of a more_… directive.
func (r *reader) more(d *directive, kind ir.EditKind, to *[]ir.FieldEdit, ofClient bool) string {
	l, rest, wrong := options(d)
	if wrong != "" {
		return wrong
	}
	for _, w := range rest {
		name, value, colon := strings.Cut(w.text, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		e := ir.FieldEdit{Kind: kind, Name: name, Value: value, OfClient: ofClient, Existing: l.existing, Statuses: l.statuses, Types: l.types}
		if kind == ir.EditSet && (!colon || value == "") {
			e.Kind, e.Value = ir.EditClear, "" // as the module does
		}
		if e.Kind == ir.EditClear {
			e.Value, e.Existing = "", false
		}
		if wrong := checkField(name, e.Kind == ir.EditClear); wrong != "" {
			return wrong
		}
		r.text(d, word{e.Value, w.at})
		*to = append(*to, e)
	}
	return ""
}

func readMoreSet(r *reader, d *directive) string {
	return r.more(d, ir.EditSet, &r.Edits.Response, false)
}

func readMoreClear(r *reader, d *directive) string {
	return r.more(d, ir.EditClear, &r.Edits.Response, false)
}

func readMoreSetInput(r *reader, d *directive) string {
	return r.more(d, ir.EditSet, &r.Edits.Request, true)
}

func readMoreClearInput(r *reader, d *directive) string {
	return r.more(d, ir.EditClear, &r.Edits.Request, true)
}

func readProxySetHeader(r *reader, d *directive) string {
	name := d.args[0].text
	switch strings.ToLower(name) {
	case "connection", "upgrade", "te", "keep-alive":
		r.problem(d, NoEffect, "Daemun makes the field "+name+" itself: WebSockets and kept connections need no setting")
		return ""
	}
	if wrong := checkField(name, false); wrong != "" {
		return wrong
	}
	r.Edits.Request = append(r.Edits.Request, requestEdit(ir.EditSet, name, r.text(d, d.args[1])))
	return ""
}

func readHide(r *reader, d *directive) string {
	if wrong := checkField(d.args[0].text, false); wrong != "" {
		return wrong
	}
	r.Edits.Hide = append(r.Edits.Hide, d.args[0].text)
	return ""
}

func readPass(r *reader, d *directive) string {
	if !fieldName.MatchString(d.args[0].text) {
		return "its argument is no field name"
	}
	r.Pass = append(r.Pass, d.args[0].text)
	return ""
}

const cacheControl = "Cache-Control"

// readExpires makes two fields, as nginx does, for the statuses of add_header.
func readExpires(r *reader, d *directive) string {
	expires := ir.FieldEdit{Kind: ir.EditSet, Name: "Expires", Statuses: addStatuses}
	cache := ir.FieldEdit{Kind: ir.EditSet, Name: cacheControl, Statuses: addStatuses}
	switch value := d.args[0].text; value {
	case "off":
		return ""
	case "epoch":
		expires.Value, cache.Value = "Thu, 01 Jan 1970 00:00:01 GMT", "no-cache"
	case "max":
		expires.Value, cache.Value = "Thu, 31 Dec 2037 23:55:55 GMT", "max-age=315360000"
	default:
		bare, negative := strings.CutPrefix(value, "-")
		t, ok := duration(strings.TrimPrefix(bare, "+"))
		if !ok {
			return "its argument is none of off, epoch, max and a time such as 1h"
		}
		expires.Dated = true
		if negative {
			expires.DateAfter, cache.Value = ir.Duration(-t), "no-cache"
		} else {
			expires.DateAfter, cache.Value = ir.Duration(t), "max-age="+seconds(t)
		}
	}
	r.Edits.Response = append(r.Edits.Response, expires, cache)
	return ""
}

func seconds(t time.Duration) string { return strconv.FormatInt(int64(t/time.Second), 10) }
