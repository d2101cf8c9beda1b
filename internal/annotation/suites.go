package annotation

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// suite is a cipher suite of TLS 1.2 by the name and the classes that OpenSSL
// knows it by.
type suite struct {
	name    string
	id      uint16
	classes []string
}

// everySuite are the classes of all suites below; those of SHA256 and SHA384 are
// about another use of these hashes.
var everySuite = []string{"ALL", "DEFAULT", "HIGH", "ECDHE", "EECDH", "kECDHE", "kEECDH", "ECDH", "TLSv1.2", "AEAD"}

// suites are those with forward secrecy and authenticated encryption.
var suites = []suite{
	{"ECDHE-ECDSA-AES128-GCM-SHA256", tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, []string{"ECDSA", "aECDSA", "AES", "AESGCM", "AES128", "FIPS"}},
	{"ECDHE-RSA-AES128-GCM-SHA256", tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, []string{"aRSA", "AES", "AESGCM", "AES128", "FIPS"}},
	{"ECDHE-ECDSA-AES256-GCM-SHA384", tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, []string{"ECDSA", "aECDSA", "AES", "AESGCM", "AES256", "FIPS"}},
	{"ECDHE-RSA-AES256-GCM-SHA384", tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, []string{"aRSA", "AES", "AESGCM", "AES256", "FIPS"}},
	{"ECDHE-ECDSA-CHACHA20-POLY1305", tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, []string{"ECDSA", "aECDSA", "CHACHA20"}},
	{"ECDHE-RSA-CHACHA20-POLY1305", tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, []string{"aRSA", "CHACHA20"}},
}

// in reports whether the suite has a name, or is in all classes that a plus sign joins.
func (s *suite) in(word string) bool {
	if word == s.name {
		return true
	}
	for class := range strings.SplitSeq(word, "+") {
		if !slices.Contains(s.classes, class) && !slices.Contains(everySuite, class) {
			return false
		}
	}
	return true
}

// ParseSuites reads a list in OpenSSL's language: names and classes that are
// added, those after a minus sign that are taken away, those after an
// exclamation mark that are never in it. Order has no meaning here, so that a
// plus sign before a word does nothing. The list is nil for all suites; leftOut
// are words that add none; the error says that nothing is left.
func ParseSuites(s string) (list []uint16, leftOut []string, err error) {
	if len(s) > maxValue {
		return nil, nil, errors.New("is too long")
	}
	never := map[uint16]bool{}
	for word := range strings.FieldsFuncSeq(s, func(r rune) bool { return strings.ContainsRune(": ,;", r) }) {
		sign, rest := word[0], word[1:]
		if sign != '!' && sign != '-' && sign != '+' {
			sign, rest = 0, word
		}
		found := false
		for _, known := range suites {
			if !known.in(rest) {
				continue
			}
			found = true
			switch {
			case sign == '!':
				never[known.id] = true
				fallthrough
			case sign == '-':
				list = slices.DeleteFunc(list, func(id uint16) bool { return id == known.id })
			case sign == 0 && !never[known.id] && !slices.Contains(list, known.id):
				list = append(list, known.id)
			}
		}
		// Those of TLS 1.3 are always there, and @ begins no suite.
		if !found && sign == 0 && !strings.HasPrefix(word, "TLS_") && word[0] != '@' {
			leftOut = append(leftOut, word)
		}
	}
	switch len(list) {
	case 0:
		return nil, nil, errors.New("holds no cipher suite that is supported: write names such as ECDHE-RSA-AES128-GCM-SHA256 with colons between them")
	case len(suites):
		return nil, leftOut, nil
	}
	return list, leftOut, nil
}

// parseBackendSuites takes the suites that exist here.
func parseBackendSuites(s string, v *Values) error {
	list, _, err := ParseSuites(s)
	if err == nil {
		v.BackendTLS.Suites = list
	}
	return err
}

// LeftOutMessage says which suites are not there, and why.
func LeftOutMessage(names []string) string {
	return fmt.Sprintf("left out: %.200s; they are not offered, because they lack forward secrecy or authenticated encryption, or Go does not have them; the others are used",
		strings.Join(names, ", "))
}
