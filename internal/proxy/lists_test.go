package proxy

import (
	"bytes"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"daemun/internal/fastcgi"
	"daemun/internal/http1"
	"daemun/internal/ir"
	"daemun/internal/policy"
)

// FuzzListHas: the elements of Vary and Cache-Control are those between commas.
func FuzzListHas(f *testing.F) {
	f.Add([]byte("Accept, ACCEPT-Encoding ,x"), "accept-encoding")
	f.Add([]byte(",,*"), "*")
	f.Fuzz(func(t *testing.T, list []byte, want string) {
		if want == "" || strings.TrimSpace(want) != want || strings.Contains(want, ",") {
			return
		}
		has := slices.ContainsFunc(bytes.Split(list, []byte(",")), func(e []byte) bool {
			e = bytes.TrimSpace(e)
			return len(e) == len(want) && bytes.EqualFold(e, []byte(want))
		})
		if got := listHas(list, want); got != has {
			t.Errorf("%q in %q: %v", want, list, got)
		}
	})
}

// FuzzGRPCTimeout: what is read is the number times its unit, at most a day.
func FuzzGRPCTimeout(f *testing.F) {
	for _, s := range []string{"1S", "99999999H", "10m", "0n", "S", "-1S", "123456789S", "1s"} {
		f.Add(s)
	}
	units := map[byte]time.Duration{'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := grpcTimeout([]byte(s))
		valid, want := false, new(big.Int)
		if len(s) >= 2 && len(s) <= 9 {
			digits, unit := s[:len(s)-1], units[s[len(s)-1]]
			n, err := strconv.ParseUint(digits, 10, 64)
			valid = err == nil && unit > 0 && digits[0] != '+'
			want.Mul(new(big.Int).SetUint64(n), big.NewInt(int64(unit)))
		}
		if day := big.NewInt(int64(24 * time.Hour)); want.Cmp(day) > 0 {
			want = day
		}
		if ok != valid || ok && int64(got) != want.Int64() {
			t.Errorf("%q: %v, %v; want %v, %v", s, got, ok, want, valid)
		}
	})
}

// FuzzSetCookie: the value that a Set-Cookie field gives is what stands between
// the first "=" and the first ";".
func FuzzSetCookie(f *testing.F) {
	f.Add([]byte("a=1=2; Path=/"), "a")
	f.Add([]byte(" a = ;"), "a")
	f.Fuzz(func(t *testing.T, value []byte, name string) {
		got, ok := setCookie(&http1.Field{ID: http1.FieldSetCookie, Value: value}, name)
		pair := strings.SplitN(string(value), ";", 2)[0]
		parts := strings.SplitN(pair, "=", 2)
		want := len(parts) == 2 && strings.TrimSpace(parts[0]) == name
		if ok != want || ok && string(got) != strings.TrimSpace(parts[1]) {
			t.Errorf("%q in %q: %q, %v", name, value, got, ok)
		}
	})
}

// FuzzFieldLines: of the lines of a head those of one name go, the others stay
// as they are; as parameters of FastCGI none of them panics.
func FuzzFieldLines(f *testing.F) {
	f.Add("X-A", "1", "x-b", "2", "x-a")
	f.Add("Connection", "", "TE", "x", "te")
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2, removed string) {
		var head []byte
		var left []byte
		found := false
		for _, line := range [][2]string{{name1, value1}, {name2, value2}, {name1, value2}} {
			var ok bool
			if head, ok = http1.AppendCheckedField(head, line[0], line[1]); !ok {
				return
			}
			if strings.EqualFold(line[0], removed) {
				found = true
				continue
			}
			left, _ = http1.AppendCheckedField(left, line[0], line[1])
		}
		head, left = http1.AppendHeadEnd(head), http1.AppendHeadEnd(left)
		if !http1.ValidName(removed) {
			return
		}
		got, ok := removeField(bytes.Clone(head), 0, &policy.Edit{FieldEdit: &ir.FieldEdit{Kind: ir.EditSet, Name: removed}})
		if ok != found || !bytes.Equal(got, left) {
			t.Errorf("%q without %q: %q, %v", head, removed, got, ok)
		}
		addFields(&fastcgi.Params{}, append([]byte("GET / HTTP/1.1\r\n"), head...))
	})
}
