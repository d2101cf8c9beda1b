package http1

import (
	"io"
	"reflect"
	"testing"
)

// TestResetLeavesNothing checks with every field that the next message begins
// as the first one did, but for memory that is used again.
func TestResetLeavesNothing(t *testing.T) {
	t.Parallel()
	var req, freshReq Request
	var resp, freshResp Response
	var body, freshBody BodyReader
	for _, v := range []any{&req, &resp, &body} {
		fill(reflect.ValueOf(v).Elem())
	}
	req.Reset()
	freshReq.Reset()
	resp.Reset()
	freshResp.Reset()
	lim := RequestLimits()
	body.Reset(nil, BodyLength, 5, &lim)
	freshBody.Reset(nil, BodyLength, 5, &lim)
	body.trailer = section{fields: body.trailer.fields} // the rest begins with the last chunk
	req.parser.options, resp.parser.options = nil, nil
	for _, pair := range [][2]any{{&req, &freshReq}, {&resp, &freshResp}, {&body, &freshBody}} {
		same(t, reflect.ValueOf(pair[0]).Elem(), reflect.ValueOf(pair[1]).Elem())
	}
	if lim != RequestLimits() {
		t.Error("the limits are another's")
	}
}

// TestBodyResetDropsTrailers that an earlier body had.
func TestBodyResetDropsTrailers(t *testing.T) {
	t.Parallel()
	lim := RequestLimits()
	var rd Reader
	rd.Reset(&pieces{octets: []byte("1\r\nx\r\n0\r\nA: b\r\n\r\n" + "0\r\nC: d\r\n\r\n" + "x"), err: io.EOF})
	defer rd.Reset(nil)
	var b BodyReader
	for _, want := range []string{"A", "C"} {
		b.Reset(&rd, BodyChunked, -1, &lim)
		if err := b.Drain(100); err != nil {
			t.Fatal(err)
		}
		if got := b.Trailers(); len(got) != 1 || string(got[0].Name) != want {
			t.Errorf("trailers %v, want %s", got, want)
		}
	}
	if b.Reset(&rd, BodyNone, 0, &lim); len(b.Trailers()) > 0 {
		t.Error("a body without trailers has those of another")
	}
}

// fill sets everything that can be set to something.
func fill(v reflect.Value) {
	for i := range v.NumField() {
		f := settable(v.Field(i))
		switch f.Kind() {
		case reflect.Slice:
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Int, reflect.Int64:
			f.SetInt(7)
		case reflect.Uint8:
			f.SetUint(1)
		case reflect.Array:
			f.Index(0).SetUint(7)
		case reflect.Pointer:
			f.Set(reflect.New(f.Type().Elem()))
		case reflect.Interface:
			f.Set(reflect.ValueOf(io.EOF))
		case reflect.Struct:
			fill(f)
		}
	}
}

// settable makes an unexported field one that a test may set.
func settable(f reflect.Value) reflect.Value {
	return reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Elem()
}

func same(t *testing.T, got, want reflect.Value) {
	t.Helper()
	for i := range got.NumField() {
		name := got.Type().Name() + "." + got.Type().Field(i).Name
		g, w := settable(got.Field(i)), settable(want.Field(i))
		switch g.Kind() {
		case reflect.Struct:
			same(t, g, w)
		case reflect.Slice:
			if g.Len() != w.Len() {
				t.Errorf("%s has %d elements, want %d", name, g.Len(), w.Len())
			}
		default:
			if !reflect.DeepEqual(g.Interface(), w.Interface()) {
				t.Errorf("%s is %v, want %v", name, g.Interface(), w.Interface())
			}
		}
	}
}
