package proxy

import (
	"daemun/internal/compress"
	"daemun/internal/http1"
	"daemun/internal/ir"
	"daemun/internal/policy"
)

// output takes a content in pieces and has what goes to the client instead.
type output interface {
	Write(p []byte) error
	// Flush brings all that can be told by now to Out.
	Flush() error
	Close() error
	// Out is the output behind http1.ChunkHeaderMax free octets, Len its length
	// without them. Take drops it.
	Out() []byte
	Len() int
	Take()
}

// replacing is an output that replaces texts; what comes of it is compressed if
// there is a compressor.
type replacing struct {
	texts  *policy.Replacer
	packer *compress.Writer // may be nil
	out    []byte
}

func (r *replacing) Write(p []byte) error {
	r.out = r.texts.Append(r.out, p)
	return r.pack()
}

// pack gives what is there to the compressor.
func (r *replacing) pack() error {
	if r.packer == nil {
		return nil
	}
	err := r.packer.Write(r.out[http1.ChunkHeaderMax:])
	r.out = r.out[:http1.ChunkHeaderMax]
	return err
}

func (r *replacing) Flush() error {
	if r.packer == nil {
		return nil
	}
	return r.packer.Flush()
}

func (r *replacing) Close() error {
	r.out = r.texts.End(r.out)
	if err := r.pack(); err != nil || r.packer == nil {
		return err
	}
	return r.packer.Close()
}

func (r *replacing) Out() []byte {
	if r.packer != nil {
		return r.packer.Out()
	}
	return r.out
}

func (r *replacing) Len() int { return len(r.Out()) - http1.ChunkHeaderMax }

func (r *replacing) Take() {
	if r.packer != nil {
		r.packer.Take()
	}
	r.out = r.out[:http1.ChunkHeaderMax]
}

// leastRead is how much of a content is read at once however much longer the
// replacements are.
const leastRead = 64

// substitute decides whether texts are replaced in the response whose head was
// read, and returns its framing then. What is compressed already is not read,
// and a part does not say where in a content it stands.
func (x *exchange) substitute(f framing) framing {
	s := x.policies.Substitution
	kind, _ := x.resp.Get(http1.FieldContentType)
	if f == frameNone || x.respBody.Remaining() == 0 || !s.ActsOn(kind) || !x.isPlain() {
		return f
	}
	p := &x.packing
	texts := s.Begin(x)
	p.replaces, p.room = s, max(leastRead, pieceSize/texts.Growth())
	p.output = &replacing{texts: texts, packer: p.writer, out: make([]byte, http1.ChunkHeaderMax, 4<<10)}
	x.resp.ContentLength = -1
	if f == frameLength && x.req.Minor == 0 {
		f = frameClose
	}
	p.bare = f == frameClose
	if f == frameLength {
		return frameChunked
	}
	return f
}

// longestSubstituted bounds what a content becomes that is at hand as a whole;
// a longer one stays as it is.
const longestSubstituted = 4 * errorPage

// substituted is a whole content of ours, or of an error backend, with its texts
// replaced.
func (x *exchange) substituted(kind, content []byte) []byte {
	if x.policies == nil || x.policies.Substitution == nil || len(content) == 0 || !x.policies.Substitution.ActsOn(kind) {
		return content
	}
	texts := x.policies.Substitution.Begin(x)
	room := max(leastRead, pieceSize/texts.Growth())
	var out []byte
	for rest := content; len(rest) > 0; {
		piece := rest[:min(room, len(rest))]
		rest = rest[len(piece):]
		if out = texts.Append(out, piece); len(out) > longestSubstituted {
			return content
		}
	}
	return texts.End(out)
}

// changes reports whether texts are replaced in what an error backend has said.
func (x *exchange) changes(fields []ir.Field) bool {
	if x.policies == nil || x.policies.Substitution == nil {
		return false
	}
	for i := range fields {
		switch http1.LookupField([]byte(fields[i].Name)) {
		case http1.FieldContentRange:
			return false
		case http1.FieldContentEncoding:
			if fields[i].Value != "" {
				return false
			}
		}
	}
	return x.policies.Substitution.ActsOn(contentTypeOf(fields))
}

// isPlain reports that the response is a whole content, not compressed.
func (x *exchange) isPlain() bool {
	for i := range x.resp.Fields {
		switch f := &x.resp.Fields[i]; f.ID {
		case http1.FieldContentRange:
			return false
		case http1.FieldContentEncoding:
			if len(f.Value) > 0 {
				return false
			}
		}
	}
	return true
}

// drops reports whether a field says something about the content before texts
// were replaced in it.
func (p *packing) drops(f *http1.Field) bool {
	return p.replaces != nil && !p.replaces.LastModified && (f.ID == http1.FieldETag || f.ID == http1.FieldLastModified)
}
