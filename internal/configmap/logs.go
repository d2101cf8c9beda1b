package configmap

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"daemun/internal/ir"
	"daemun/internal/variable"
)

// CodeLogVariable says that a log format has variables without a value.
const CodeLogVariable = "DMN0370"

// CodeSyslog is about enable-syslog without syslog-host.
const CodeSyslog = "DMN0371"

// The bounds of what the keys of logs hold.
const (
	maxFormat     = 8 << 10
	maxSkipURIs   = 100
	maxSkipLength = 1 << 10
)

// usualLog is the file that is standard output in ingress-nginx's image.
const usualLog = "/var/log/nginx/access.log"

// syslog are the keys of a syslog server.
type syslog struct {
	enabled bool
	host    string
	port    int
}

func logFormat(set func(v *Values, s string)) func(string, *Values) error {
	return func(s string, v *Values) error {
		if len(s) > maxFormat {
			return fmt.Errorf("is longer than %d octets", maxFormat)
		}
		set(v, s)
		return nil
	}
}

// formatRemark names the variables of a format that will never have a value.
func formatRemark(format string) (remark string) {
	_, unknown, absent := variable.ParseLog(format)
	var parts []string
	if len(unknown) > 0 {
		parts = append(parts, "nginx has no variable $"+strings.Join(unknown, ", $")+": no value unless a snippet sets one")
	}
	if len(absent) > 0 {
		parts = append(parts, "$"+strings.Join(absent, ", $")+" never has a value here")
	}
	return strings.Join(parts, "; ")
}

func (v *Values) escape(on bool, how string) {
	logs := &v.Settings.Logs
	if on && logs.Escape != "none" {
		logs.Escape = how
	}
}

// logPath reads a file for a log. Where it may lie is not known here.
func logPath(set func(v *Values, s string)) func(string, *Values) error {
	return func(s string, v *Values) error {
		if len(s) > maxSkipLength || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return errors.New("is no path of a file")
		}
		if s == usualLog || s == "/dev/stdout" || s == "off" {
			s = ""
		}
		set(v, s)
		return nil
	}
}

func skipURIs(s string, v *Values) error {
	var uris []string
	for uri := range strings.SplitSeq(s, ",") {
		if uri = strings.TrimSpace(uri); uri == "" {
			continue
		}
		if len(uri) > maxSkipLength {
			return fmt.Errorf("has an entry that is longer than %d octets", maxSkipLength)
		}
		if pattern, ok := strings.CutPrefix(uri, "~"); ok {
			if _, err := regexp.Compile(strings.TrimPrefix(pattern, "*")); err != nil {
				return fmt.Errorf("has the expression %.80q, which is no RE2 expression", uri)
			}
		}
		uris = append(uris, uri)
	}
	if len(uris) > maxSkipURIs {
		return fmt.Errorf("has %d entries: at most %d are possible", len(uris), maxSkipURIs)
	}
	slices.Sort(uris)
	v.Settings.Logs.Skip = slices.Compact(uris)
	return nil
}

// logLevel maps nginx's levels to those of Daemun.
func logLevel(s string, v *Values) error {
	switch s {
	case "debug", "warn", "error":
		v.Settings.Logs.Level = s
	case "info", "notice":
		v.Settings.Logs.Level = ""
	case "crit", "alert", "emerg":
		v.Settings.Logs.Level = "error"
	default:
		return errors.New("is no level: write debug, info, notice, warn, error, crit, alert or emerg")
	}
	return nil
}

// settleLogs finishes what depends on several keys.
func (p *parsing) settleLogs() {
	v := &p.Values
	logs := &v.Settings.Logs
	if logs.Path == "" {
		logs.Path = v.logPath
	}
	if logs.StreamPath == "" {
		logs.StreamPath = v.logPath
	}
	switch s := &v.syslog; {
	case !s.enabled:
	case s.host == "":
		p.report(CodeSyslog, ir.SeverityWarning, "enable-syslog", "syslog-host is not set: write the name or address of the server; the access log stays where it is")
	default:
		logs.Syslog = net.JoinHostPort(s.host, strconv.Itoa(s.port))
	}
}
