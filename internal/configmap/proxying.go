package configmap

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"daemun/internal/ir"
	"daemun/internal/variable"
)

// parseLimitBy reads what the limits count by. The address of the client is the
// usual way, which needs no text.
func parseLimitBy(s string, v *Values) error {
	if s == "$binary_remote_addr" || s == "$remote_addr" {
		v.Settings.LimitBy = ""
		return nil
	}
	if _, err := variable.Parse(s); err != nil {
		return fmt.Errorf("is no text with variables: %w; write for example $http_x_api_key", err)
	}
	v.Settings.LimitBy = s
	return nil
}

// partly is a value of which a part was taken.
type partly struct{ msg string }

func (e *partly) Error() string { return e.msg }

// parseErrors reads "404,503". As in ingress-nginx what is no such status does
// not take the others away.
func parseErrors(s string, v *Values) error {
	var list []int
	bad := ""
	for text := range strings.SplitSeq(s, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 300 || n > 599 {
			bad = text
			continue
		}
		list = append(list, n)
	}
	slices.Sort(list)
	v.Defaults.ErrorStatuses = slices.Compact(list)
	if bad != "" {
		return &partly{fmt.Sprintf("holds %.40q, which is no status of an error: write numbers from 300 to 599 with commas between them; the others count", bad)}
	}
	return nil
}

// parseIPv4Names reads disable-ipv6-dns.
func parseIPv4Names(s string, v *Values) error {
	if s == "auto" {
		v.Settings.IPv4Names = false
		return nil
	}
	b, err := strconv.ParseBool(s)
	if err != nil {
		return errors.New(`is neither a boolean nor auto: write "true", "false" or "auto"`)
	}
	v.Settings.IPv4Names = b
	return nil
}

// settleStreams makes one setting of the keys about TCP and UDP services.
func (p *parsing) settleStreams() {
	v := &p.Values
	if v.oneEndpoint {
		v.streams.Tries = 1
	}
	if v.streams != ir.DefaultStreams() {
		v.Settings.Streams = new(v.streams)
	}
}
