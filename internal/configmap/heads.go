package configmap

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"daemun/internal/annotation"
	"daemun/internal/ir"
)

// The bounds of large-client-header-buffers, in octets: a head must have room
// for a usual one, and memory is bounded (H6.1).
const (
	leastLine = 1 << 10
	mostHead  = 256 << 10
)

// usualBuffers is nginx's default, for which Daemun's own bounds stand.
const usualBuffers = "4 8k"

func parseHeaderBuffers(s string, v *Values) error {
	words := strings.Fields(s)
	if len(words) != 2 {
		return errors.New(`is not a number and a size: write them as in "4 16k"`)
	}
	number, err := strconv.Atoi(words[0])
	size, sizeErr := octets(words[1])
	if err != nil || sizeErr != nil || number < 1 || size < leastLine || size > mostHead {
		return fmt.Errorf(`is not a number from 1 and a size from 1k to %dk: write them as in "4 16k"`, mostHead>>10)
	}
	heads := &v.Settings.RequestHeads
	heads.Line, heads.Head = 0, 0
	if strings.Join(words, " ") != usualBuffers {
		heads.Line, heads.Head = size, min(number, mostHead/size)*size
	}
	return nil
}

// octets reads nginx's sizes.
func octets(s string) (int, error) {
	unit := 1
	switch {
	case strings.HasSuffix(s, "k"), strings.HasSuffix(s, "K"):
		s, unit = s[:len(s)-1], 1<<10
	case strings.HasSuffix(s, "m"), strings.HasSuffix(s, "M"):
		s, unit = s[:len(s)-1], 1<<20
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 1<<20 {
		return 0, errors.New("no size")
	}
	return n * unit, nil
}

func parseBindAddress(s string, v *Values) error {
	var list []netip.Addr
	bad := ""
	for word := range strings.SplitSeq(s, ",") {
		if word = strings.TrimSpace(word); word == "" {
			continue
		}
		addr, err := netip.ParseAddr(strings.Trim(word, "[]"))
		if err != nil || addr.Zone() != "" {
			bad = word
			continue
		}
		if addr.IsUnspecified() {
			list = nil // all of them
			break
		}
		list = append(list, addr.Unmap())
	}
	if bad != "" && len(list) == 0 {
		return errors.New("is no list of addresses: write addresses such as 192.0.2.7, with commas between them")
	}
	v.Settings.Entrance.Addresses = list
	if bad != "" {
		return &partly{fmt.Sprintf("holds %.40q, which is no address: write addresses such as 192.0.2.7, with commas between them; the others count", bad)}
	}
	return nil
}

// block returns what is to be refused, made when the first key asks for it.
func (v *Values) block() *ir.Block {
	if v.Settings.Block == nil {
		v.Settings.Block = &ir.Block{}
	}
	return v.Settings.Block
}

func parseBlockedNetworks(s string, v *Values) error {
	list, err := annotation.ParseNetworks(s)
	if err != nil {
		return err
	}
	v.block().Networks = list
	return nil
}

// The bounds of lists of patterns (H6.21).
const (
	maxPatterns    = 1000
	maxExpressions = 100
	longestPattern = 1 << 10
)

// patterns reads texts and expressions with commas between them.
func patterns(set func(b *ir.Block, list []string)) func(string, *Values) error {
	return func(s string, v *Values) error {
		var all []string
		if err := list(func(_ *Values, words []string) { all = words })(s, v); err != nil {
			return err
		}
		expressions := 0
		for _, word := range all {
			if len(word) > longestPattern {
				return fmt.Errorf("holds a text of more than %d octets", longestPattern)
			}
			expression, is := strings.CutPrefix(word, "~")
			if !is {
				continue
			}
			expressions++
			if _, err := regexp.Compile(strings.TrimPrefix(expression, "*")); err != nil {
				return fmt.Errorf("holds %.40q, which is no expression of RE2: %w", word, err)
			}
		}
		if len(all) > maxPatterns || expressions > maxExpressions {
			return fmt.Errorf("holds more than %d texts or %d expressions", maxPatterns, maxExpressions)
		}
		set(v.block(), all)
		return nil
	}
}
