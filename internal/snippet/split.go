package snippet

import (
	"math"
	"strconv"
	"strings"

	"daemun/internal/ir"
)

// whole is 100 %, in hundredths of one.
const whole = 10000

// readSplit reads split_clients.
func readSplit(r *reader, d *directive) string {
	name, wrong := r.mapVariable(d.args[1])
	if wrong != "" {
		return wrong
	}
	m := ir.Map{Name: name, Source: r.text(d, d.args[0])}
	total, below := 0, uint64(0)
	for i := range d.block {
		line := &d.block[i]
		if line.isBlock || len(line.args) != 1 {
			return r.brokenLine(d, line.at, "a line has a share such as 10% and a value")
		}
		if strings.Contains(line.args[0].text, "$") {
			return r.brokenLine(d, line.at, "a value has no variables, and nginx would take this one by its letters: use map")
		}
		share, ok := parseShare(line.name)
		switch {
		case !ok:
			return r.brokenLine(d, line.at, line.name+" is no share such as 10%, 0.5% or *")
		case share == 0:
			share = whole - total
		}
		if total += share; total > whole || share == 0 {
			return r.brokenLine(d, line.at, "the shares are more than 100%")
		}
		below += uint64(share) * math.MaxUint32 / whole // each share for itself, as nginx does
		m.Shares = append(m.Shares, ir.MapShare{Below: uint32(below), Rest: line.name == "*", To: line.args[0].text})
	}
	r.addMap(d, m)
	return ""
}

// parseShare reads a share in hundredths of a percent, 0 for "*".
func parseShare(s string) (n int, ok bool) {
	if s == "*" {
		return 0, true
	}
	number, ok := strings.CutSuffix(s, "%")
	before, after, point := strings.Cut(number, ".")
	if !ok || before+after == "" || len(before) > 3 || len(after) > 2 || point && after == "" || strings.Trim(number, "0123456789.") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(before + (after + "00")[:2])
	return n, err == nil && n > 0 && n <= whole
}
