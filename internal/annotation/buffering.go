package annotation

import (
	"errors"
	"strings"

	"daemun/internal/ir"
)

// What a body and a head of a response may take of memory at most, whatever an
// annotation asks for.
const (
	mostBodyMemory   = 16 << 20
	mostResponseHead = 512 << 10
)

// onOff reads nginx's booleans.
func onOff(set func(v *Values, b bool)) func(string, *Values) error {
	return oneOf([]string{"on", "off"}, func(v *Values, s string) { set(v, s == "on") })
}

// size reads one of nginx's sizes.
func size(set func(v *Values, n int64) error) func(string, *Values) error {
	return func(s string, v *Values) error {
		n, err := octets(s, "")
		if err != nil {
			return err
		}
		return set(v, n)
	}
}

// bodyMemory ignores "1b" and the like, as ingress-nginx does.
func bodyMemory(s string, v *Values) error {
	n, err := octets(s, "")
	if err != nil {
		if strings.HasSuffix(strings.ToLower(strings.TrimSpace(s)), "b") {
			return &valueError{msg: err.Error(), outcome: UseDefault}
		}
		return err
	}
	if n > mostBodyMemory {
		return &valueError{msg: "is more memory than one body may have: write 16m at most", outcome: UseDefault}
	}
	v.BodyMemory = n
	return nil
}

func parseBufferSize(s string, v *Values) error {
	n, err := octets(s, "")
	if err != nil {
		return err
	}
	if n == 0 || n > mostResponseHead {
		return errors.New("is out of range: write a size from 1k to 512k")
	}
	v.bufferSize = n
	return nil
}

func parseBuffersNumber(s string, v *Values) error {
	n, err := integer(s)
	if err != nil {
		return err
	}
	if n < 1 || n > mostBodyMemory>>10 {
		return errors.New("is out of range: write a number from 1 to 16384")
	}
	v.buffersNumber = n
	return nil
}

// settleBuffering makes policies of the sizes of buffers.
func (p *parsing) settleBuffering() {
	v := &p.Values
	if v.responseBuffering {
		v.ResponseBuffering = &ir.ResponseBuffering{Memory: min(mostBodyMemory, v.bufferSize*int64(v.buffersNumber)), Disk: v.responseDisk}
	}
	v.ResponseHead = 0
	if v.bufferSize > ir.UsualResponseHead {
		v.ResponseHead = v.bufferSize
	}
}
