package annotation

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"daemun/internal/ir"
)

var (
	hashChars   = regexp.MustCompile(`^[-_a-zA-Z0-9${}]+$`)
	tokenChars  = regexp.MustCompile(`^[-._~a-zA-Z0-9]+$`)
	cookiePath  = regexp.MustCompile(`^[-._~a-zA-Z0-9/:?&=,]+$`)
	fieldChars  = regexp.MustCompile(`^[-_a-zA-Z0-9]+$`)
	headerValue = regexp.MustCompile(`^[\x20-\x7e]*$`)
)

func parseLoadBalance(s string, v *Values) error {
	switch s {
	case "round_robin":
		v.Balance.EWMA = false
		return nil
	case "ewma":
		v.Balance.EWMA = true
		return nil
	case "chash", "chashsubset":
		return &partlyBad{"needs upstream-hash-by, which alone says it; without it round_robin applies"}
	case "sticky_balanced", "sticky_persistent":
		return &partlyBad{"needs affinity: cookie, which alone says it; without it round_robin applies"}
	}
	return errors.New("is none of round_robin, ewma")
}

func parseHashBy(s string, v *Values) error {
	s = strings.TrimSpace(s)
	if len(s) > 512 || !hashChars.MatchString(s) {
		return errors.New("is not a text of variables: it may hold letters, digits and -_${} only, such as $request_uri")
	}
	if err := v.text(s); err != nil {
		return fmt.Errorf("cannot be used: %w", err)
	}
	v.Balance.HashBy = s
	return nil
}

func parseSubsetSize(s string, v *Values) error {
	n, err := integer(s)
	switch {
	case err != nil:
		return errors.New(`is not an integer: write digits only, such as "3"`)
	case n < 0 || n > 10000:
		return &valueError{msg: "is out of range: write a number from 1 to 10000", outcome: UseDefault}
	case n > 0:
		v.subsetSize = n
	}
	return nil
}

// lifetime reads seconds, which may be negative: that deletes the cookie.
func lifetime(set func(a *ir.Affinity, seconds *int64)) func(string, *Values) error {
	return func(s string, v *Values) error {
		n, err := integer(strings.TrimSpace(s))
		if err != nil || n > math.MaxInt32 || n < math.MinInt32 {
			return errors.New(`is not a number of seconds, such as "3600"`)
		}
		set(&v.affinity, new(int64(n)))
		return nil
	}
}

func parseSameSite(s string, v *Values) error {
	s = strings.TrimSpace(s)
	exact := []string{"None", "Lax", "Strict"}
	if slices.Contains(exact, s) {
		v.affinity.SameSite = s
		return nil
	}
	for _, e := range exact {
		if strings.EqualFold(e, s) {
			return &partlyBad{"is not sent, because browsers want it spelled " + e}
		}
	}
	return errors.New("is none of None, Lax, Strict")
}

// parseCanaryWeight takes what is negative for no request at all.
func parseCanaryWeight(s string, v *Values) error {
	n, err := integer(s)
	if err != nil || n > math.MaxInt32 {
		return errors.New(`is not a number of requests, such as "20": write digits only, without a percent sign`)
	}
	v.canary.Weight = max(n, 0)
	return nil
}

func parseCanaryTotal(s string, v *Values) error {
	n, err := integer(s)
	switch {
	case err != nil || n > math.MaxInt32:
		return errors.New(`is not a number of shares, such as "100"`)
	case n < 100:
		v.canary.Total = 100
		return &partlyBad{"is less than 100, which applies"}
	}
	v.canary.Total = n
	return nil
}

func parseCanaryPattern(s string, v *Values) error {
	if len(s) > 1024 {
		return errors.New("is longer than 1024 bytes")
	}
	v.canary.HeaderPattern = s
	if err := v.expression(s); err != nil {
		return &partlyBad{fmt.Sprintf("cannot be used (%v); requests with the field go to the main backend", err)}
	}
	return nil
}

// settleBalance makes the settings of the backend and of the canary.
func (p *parsing) settleBalance(written map[string]bool) {
	v := &p.Values
	switch {
	case v.hasAffinity && v.Balance.HashBy != "" && written["upstream-hash-by"]:
		p.report(CodeNoEffect, ir.SeverityWarning, p.prefix+"upstream-hash-by", "affinity is set too and wins; remove one of them")
	case v.Balance.HashBy != "" && v.Balance.EWMA && written["load-balance"]:
		p.report(CodeNoEffect, ir.SeverityWarning, p.prefix+"load-balance", "upstream-hash-by is set too and wins; remove one of them")
	}
	switch {
	case v.Balance.HashBy != "" && v.hashSubset:
		v.Balance.Subset = v.subsetSize
	case v.hashSubset:
		p.report(CodeNoEffect, ir.SeverityWarning, p.prefix+"upstream-hash-by-subset", "only has an effect together with upstream-hash-by")
	}
	if v.hasAffinity {
		v.Balance.Affinity = new(v.affinity)
	}
	if v.isCanary {
		v.Canary = new(v.canary)
	}
}
