package http1

import "io"

// Read reads a request head that begins with rd's next octet, filling rd as
// needed, and leaves it in Buffered: n octets, for Hold or Discard. It returns
// io.EOF if the connection ended before the first octet,
// io.ErrUnexpectedEOF if it ended later, an *Error if the head is refused, or
// the connection's error, after which the head must not be read on. Unlike
// Parse it never goes on with a head that another call began, so no Reset is
// needed before it.
func (r *Request) Read(rd *Reader, lim *Limits) (n int, err error) {
	r.parser.stage = stageNone
	for {
		if n, err = r.Parse(rd.Buffered(), lim); err != ErrIncomplete {
			return n, err
		}
		if err := fillHead(rd); err != nil {
			return 0, err
		}
	}
}

// Read reads a response head in the manner of Request.Read.
func (r *Response) Read(rd *Reader, lim *Limits, requestWasHEAD bool) (n int, err error) {
	r.parser.stage = stageNone
	for {
		if n, err = r.Parse(rd.Buffered(), lim, requestWasHEAD); err != ErrIncomplete {
			return n, err
		}
		if err := fillHead(rd); err != nil {
			return 0, err
		}
	}
}

func fillHead(rd *Reader) error {
	_, err := rd.Fill()
	if err == io.EOF && len(rd.Buffered()) > 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}
