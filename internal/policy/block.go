package policy

import (
	"net/netip"
	"regexp"
	"strings"

	"daemun/internal/ir"
)

// Block knows the requests that every host refuses; nil refuses none.
type Block struct {
	networks             *Networks
	userAgents, referers *texts
}

// NewBlock returns nil for nil. An expression that does not compile blocks
// everything: translation has refused it before.
func NewBlock(b *ir.Block) *Block {
	if b == nil {
		return nil
	}
	return &Block{networks: NewNetworks(b.Networks), userAgents: newTexts(b.UserAgents), referers: newTexts(b.Referers)}
}

// Blocks reports whether a request is refused. The fields are nil when the
// request does not have them.
func (b *Block) Blocks(client netip.Addr, userAgent, referer []byte) bool {
	return b.networks.Contains(client) || b.userAgents.match(userAgent) || b.referers.match(referer)
}

// BlocksClient is Blocks for a client of which nothing but the address is known.
func (b *Block) BlocksClient(client netip.Addr) bool {
	return b != nil && b.networks.Contains(client)
}

// texts are values to be recognised: whole ones, in lower case, and
// expressions.
type texts struct {
	whole       map[string]bool
	longest     int
	expressions []*regexp.Regexp
}

func newTexts(list []string) *texts {
	if len(list) == 0 {
		return nil
	}
	t := &texts{whole: map[string]bool{}}
	for _, word := range list {
		expression, is := strings.CutPrefix(word, "~")
		if !is {
			t.whole[string(lowered([]byte(word)))] = true
			t.longest = max(t.longest, len(word))
			continue
		}
		if anyCase, is := strings.CutPrefix(expression, "*"); is {
			expression = "(?i:" + anyCase + ")"
		}
		compiled, err := regexp.Compile(expression)
		if err != nil {
			compiled = regexp.MustCompile("")
		}
		t.expressions = append(t.expressions, compiled)
	}
	return t
}

func (t *texts) match(value []byte) bool {
	if t == nil || len(value) == 0 {
		return false
	}
	if len(value) <= t.longest {
		var scratch [1 << 10]byte // patterns are not longer
		if t.whole[string(lowered(scratch[:copy(scratch[:], value)]))] {
			return true
		}
	}
	for _, e := range t.expressions {
		if e.Match(value) {
			return true
		}
	}
	return false
}

// lowered makes the letters of b small ones.
func lowered(b []byte) []byte {
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return b
}
