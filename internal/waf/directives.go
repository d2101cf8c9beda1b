package waf

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// line is one directive and where it begins.
type line struct {
	number int
	text   string
}

// directives splits a text into directives: a backslash at the end of a line
// continues it, "#" begins a comment.
func directives(text string) []line {
	var list []line
	var open *line
	number := 0
	for raw := range strings.SplitSeq(text, "\n") {
		number++
		trimmed := strings.TrimSpace(raw)
		if trimmed == "" || trimmed[0] == '#' {
			continue
		}
		rest, continues := strings.CutSuffix(trimmed, `\`)
		if open == nil {
			list = append(list, line{number: number})
			open = &list[len(list)-1]
		}
		open.text += rest
		if !continues {
			open = nil
		}
	}
	return list
}

// use says what becomes of a directive.
type use uint8

const (
	unknown use = iota
	passed
	// silent directives say where logs and files go, which is not for rules to
	// say: what rules find goes to Daemun's log, and nothing goes to files.
	silent
)

// uses are the directives that may be written, in lower case. What reaches
// files, programs or the network is not among them.
var uses = map[string]use{
	"secaction": passed, "secrule": passed, "secmarker": passed, "secdefaultaction": passed,
	"secruleengine": passed, "secruleremovebyid": passed, "secruleremovebytag": passed, "secruleremovebymsg": passed,
	"secruleupdatetargetbyid": passed, "secruleupdatetargetbytag": passed, "secruleupdateactionbyid": passed,
	"secrequestbodyaccess": passed, "secrequestbodylimit": passed, "secrequestbodylimitaction": passed,
	"secrequestbodynofileslimit": passed, "secrequestbodyjsondepthlimit": passed, "secargumentslimit": passed,
	"secresponsebodyaccess": passed, "secresponsebodylimit": passed, "secresponsebodylimitaction": passed,
	"secresponsebodymimetype": passed, "secresponsebodymimetypesclear": passed, "secresponsebodyjsondepthlimit": passed,
	"seccomponentsignature": passed, "secwebappid": passed, "secsensorid": passed, "secuploadfilelimit": passed,

	"secauditengine": silent, "secauditlog": silent, "secauditlog2": silent, "secauditlogtype": silent, "secauditlogformat": silent,
	"secauditlogparts": silent, "secauditlogstoragedir": silent, "secauditlogdirmode": silent, "secauditlogfilemode": silent,
	"secauditlogrelevantstatus": silent, "secdebuglog": silent, "secdebugloglevel": silent, "secdatadir": silent, "sectmpdir": silent,
	"secuploaddir": silent, "secuploadkeepfiles": silent, "secuploadfilemode": silent, "secrequestbodyinmemorylimit": silent,
	"secunicodemapfile": silent, "seccookieformat": silent, "secargumentseparator": silent, "secstatusengine": silent,
	"secpcrematchlimit": silent, "secpcrematchlimitrecursion": silent, "secserversignature": silent, "seccollectiontimeout": silent,
	"sectmpsaveuploadedfiles": silent,
}

// forbidden are operators and actions of rules that reach files, programs, the
// environment or the network.
var forbidden = regexp.MustCompile(`(?i)@(inspectFile|rbl|gsbLookup|fuzzyHash|verifyCC|pmFromFile|pmf|ipMatchFromFile|ipMatchF|validateSchema|validateDTD|geoLookup)\b|[",'\s](exec|setenv|proxy)\s*:`)

// The sets that can be included, by the names that rules use for them, those
// of ingress-nginx's image among them.
var (
	recommendedNames = []string{"@coraza.conf-recommended", "/etc/nginx/modsecurity/modsecurity.conf", "/etc/nginx/modsecurity/modsecurity.conf-recommended"}
	setupNames       = []string{"@crs-setup.conf.example", "@crs-setup-conf", "/etc/nginx/owasp-modsecurity-crs/crs-setup.conf"}
	rulesNames       = []string{"@owasp_crs/*.conf", "@owasp_crs", "/etc/nginx/owasp-modsecurity-crs/rules/*.conf"}
	everythingNames  = []string{"/etc/nginx/owasp-modsecurity-crs/nginx-modsecurity.conf"}
)

const (
	includeSetup = "Include @crs-setup.conf.example"
	includeRules = "Include @owasp_crs/*.conf"
)

// Bounds of bodies that rules see.
const (
	defaultBodyLimit         = 13107200
	defaultResponseBodyLimit = 524288
	// defaultFormLimit counts where the core rules are included and the text
	// sets no limit of its own. What they cost grows with the body: 64 KiB are
	// about a second of one processor, and 13 MB would be minutes.
	defaultFormLimit = 64 << 10
	maxBodyLimit     = 64 << 20
)

// maxLine bounds a directive: Coraza stops reading at longer lines without a
// word.
const maxLine = 32 << 10

// program is a text of rules that may be run.
type program struct {
	lines                   []line
	bodyLimit, responseBody int
	// formLimit bounds bodies without the files in them, 0 until it is set.
	formLimit int
	// included says that the line at hand is of a set, ownLimit that the last
	// limit of bodies was not.
	included, ownLimit bool
	// settings, setup and core say which sets are in. Each is where it is included
	// first: annotations and the texts beside them may ask for the same one.
	settings, setup, core bool
	// updates and removals are directives about rules that may be anywhere.
	updates, removals []line
	// refuses and enforces: what is over formLimit is refused, else judged in
	// part.
	refuses, enforces bool
}

// prepare checks the directives of a text and puts the sets in that it
// includes. The error names the line.
func prepare(text, recommended string) (*program, error) {
	p := &program{bodyLimit: defaultBodyLimit, responseBody: defaultResponseBodyLimit, refuses: true}
	// As in libmodsecurity, where an engine that is not set judges without
	// consequences.
	p.add(line{text: "SecRuleEngine DetectionOnly"})
	p.add(line{text: "SecAuditEngine Off"})
	p.add(line{text: "SecRequestBodyLimit " + strconv.Itoa(defaultBodyLimit)})
	p.add(line{text: "SecResponseBodyLimit " + strconv.Itoa(defaultResponseBodyLimit)})
	for _, l := range directives(text) {
		if err := p.read(l, recommended); err != nil {
			return nil, fmt.Errorf("line %d: %w", l.number, err)
		}
	}
	p.except()
	switch {
	case p.formLimit > 0:
	case p.core && !p.ownLimit:
		p.formLimit = min(defaultFormLimit, p.bodyLimit)
	default:
		p.formLimit = p.bodyLimit
	}
	return p, nil
}

func (p *program) add(l line) { p.lines = append(p.lines, l) }

func (p *program) read(l line, recommended string) error {
	switch {
	case len(l.text) > maxLine:
		return fmt.Errorf("the directive is longer than %d bytes", maxLine)
	case strings.Contains(l.text, "`"):
		// It begins a text of several lines for Coraza, which then reads other
		// directives than were looked at here.
		return errors.New("holds a backquote, which cannot be used here: write \\x60 in expressions")
	}
	name, rest, _ := strings.Cut(l.text, " ")
	argument := strings.Trim(strings.TrimSpace(rest), `"'`)
	if strings.EqualFold(name, "Include") {
		return p.include(l, argument, recommended)
	}
	switch uses[strings.ToLower(name)] {
	case unknown:
		return fmt.Errorf("%.40q is no directive that can be used here", name)
	case silent:
		return nil
	}
	if found := forbidden.FindString(l.text); found != "" {
		return fmt.Errorf("%.40q reaches files, programs or the network, which rules may not", strings.Trim(found, " \t\"',"))
	}
	switch strings.ToLower(name) {
	case "secruleupdatetargetbyid", "secruleupdatetargetbytag", "secruleupdateactionbyid":
		p.updates = append(p.updates, l)
		return nil
	case "secruleremovebyid", "secruleremovebytag", "secruleremovebymsg":
		p.removals = append(p.removals, l)
		return nil
	case "secrequestbodylimit":
		p.ownLimit = !p.included
		return p.limit(l, argument, &p.bodyLimit)
	case "secresponsebodylimit":
		return p.limit(l, argument, &p.responseBody)
	case "secrequestbodynofileslimit": // is not known to Coraza, and kept here
		return p.limit(l, argument, &p.formLimit)
	case "secrequestbodylimitaction":
		p.refuses = !strings.EqualFold(argument, "ProcessPartial")
	case "secruleengine":
		p.enforces = strings.EqualFold(argument, "On")
	}
	p.add(l)
	return nil
}

func (p *program) limit(l line, argument string, to *int) error {
	n, err := strconv.Atoi(argument)
	if err != nil || n < 1 || n > maxBodyLimit {
		return fmt.Errorf("%.40q is no limit: write a number of bytes up to %d", argument, maxBodyLimit)
	}
	*to = n
	p.add(l)
	return nil
}

func (p *program) include(l line, name, recommended string) error {
	switch {
	case contains(recommendedNames, name):
		return p.includeSettings(l, recommended)
	case contains(setupNames, name):
		p.includeSet(&p.setup, line{l.number, includeSetup})
	case contains(rulesNames, name):
		p.includeSet(&p.core, line{l.number, includeRules})
	case contains(everythingNames, name):
		p.includeSet(&p.setup, line{l.number, includeSetup})
		p.includeSet(&p.core, line{l.number, includeRules})
	default:
		return fmt.Errorf("%.80q cannot be included: write %s, %s or %s", name, recommendedNames[0], setupNames[0], rulesNames[0])
	}
	return nil
}

func (p *program) includeSettings(l line, recommended string) error {
	if p.settings {
		return nil
	}
	p.settings, p.included = true, true
	defer func() { p.included = false }()
	for _, inner := range directives(recommended) {
		inner.number = l.number
		if err := p.read(inner, ""); err != nil {
			return err
		}
	}
	return nil
}

func (p *program) includeSet(has *bool, l line) {
	if !*has {
		p.add(l)
	}
	*has = true
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// upTo is the text of the first n directives.
func (p *program) upTo(n int) string {
	var b strings.Builder
	for _, l := range p.lines[:n] {
		b.WriteString(l.text)
		b.WriteByte('\n')
	}
	return b.String()
}
