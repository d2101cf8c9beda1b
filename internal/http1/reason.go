package http1

// Reason says which rule refused a message, for counters and tests. Its String
// is stable: "bare-lf", "te-and-cl", … The zero Reason means no refusal.
type Reason uint8

// The reasons, in the order of docs/hardening.md.
const (
	reasonNone            Reason = iota
	ReasonBareLF                 // an LF without its CR
	ReasonBareCR                 // a CR without its LF
	ReasonRequestLine            // not "method SP target SP version"
	ReasonEmptyLines             // more than one empty line in front
	ReasonMethod                 // no token, or more than 64 octets
	ReasonVersion                // neither HTTP/1.0 nor 1.x
	ReasonVersionSyntax          // no version at all (HTTP/0.9)
	ReasonFieldName              // no token directly followed by a colon
	ReasonFolding                // a line that begins with a blank
	ReasonFieldValue             // a control octet in a value
	ReasonUnderscore             // a name with an underscore, where set to reject
	ReasonTarget                 // an octet that no target may hold
	ReasonTargetForm             // not a form that the method allows, or userinfo
	ReasonConnect                // CONNECT
	ReasonTrace                  // TRACE or TRACK
	ReasonTEAndCL                // Transfer-Encoding with Content-Length
	ReasonTEInHTTP10             // Transfer-Encoding in HTTP/1.0
	ReasonTE                     // not one "chunked" at the end
	ReasonTEUnknown              // another coding before "chunked"
	ReasonContentLength          // not 1–19 digits, or too large
	ReasonDuplicateCL            // a second Content-Length, even if equal
	ReasonChunkSize              // not 1–16 hex digits, or too large
	ReasonChunkExtension         // an extension against the grammar
	ReasonChunkLine              // a size line longer than Limits.Chunk
	ReasonChunkOverhead          // too many octets in size lines
	ReasonChunkEnd               // no CRLF behind the data
	ReasonTrailer                // a trailer section over its limits
	ReasonExpect                 // an expectation other than 100-continue
	ReasonStatusLine             // not "version SP 3DIGIT [SP phrase]"
	ReasonNoHost                 // HTTP/1.1 without Host
	ReasonDuplicateHost          // a second Host
	ReasonHost                   // not host[:port]
	ReasonHostMismatch           // Host differs from the target's authority
	ReasonConnection             // Connection names too many fields
	ReasonRequestLineLong        // over Limits.RequestLine
	ReasonFieldLineLong          // over Limits.FieldLine
	ReasonHeadLong               // over Limits.Head
	ReasonFields                 // over Limits.Fields
	reasonCount
)

// refusals is the one table of all refusals: what the client gets, which rule
// says so, and the stable name.
var refusals = [reasonCount]struct {
	status int
	rule   string
	name   string
}{
	reasonNone:            {0, "", "none"},
	ReasonBareLF:          {400, "H1.1", "bare-lf"},
	ReasonBareCR:          {400, "H1.1", "bare-cr"},
	ReasonRequestLine:     {400, "H1.2", "request-line"},
	ReasonEmptyLines:      {400, "H1.3", "empty-lines"},
	ReasonMethod:          {400, "H1.4", "method"},
	ReasonVersion:         {505, "H1.5", "version"},
	ReasonVersionSyntax:   {400, "H1.5", "version-syntax"},
	ReasonFieldName:       {400, "H1.6", "field-name"},
	ReasonFolding:         {400, "H1.7", "folding"},
	ReasonFieldValue:      {400, "H1.8", "field-value"},
	ReasonUnderscore:      {400, "H1.10", "underscore"},
	ReasonTarget:          {400, "H1.11", "target"},
	ReasonTargetForm:      {400, "H1.12", "target-form"},
	ReasonConnect:         {405, "H1.13", "connect"},
	ReasonTrace:           {405, "H1.14", "trace"},
	ReasonTEAndCL:         {400, "H2.1", "te-and-cl"},
	ReasonTEInHTTP10:      {400, "H2.2", "te-in-http10"},
	ReasonTE:              {400, "H2.3", "te"},
	ReasonTEUnknown:       {501, "H2.3", "te-unknown"},
	ReasonContentLength:   {400, "H2.4", "content-length"},
	ReasonDuplicateCL:     {400, "H2.4", "duplicate-cl"},
	ReasonChunkSize:       {400, "H2.5", "chunk-size"},
	ReasonChunkExtension:  {400, "H2.6", "chunk-extension"},
	ReasonChunkLine:       {400, "H2.6", "chunk-line"},
	ReasonChunkOverhead:   {400, "H2.6", "chunk-overhead"},
	ReasonChunkEnd:        {400, "H2.7", "chunk-end"},
	ReasonTrailer:         {400, "H2.8", "trailer-limit"},
	ReasonExpect:          {417, "H2.13", "expect"},
	ReasonStatusLine:      {502, "H2.14", "status-line"},
	ReasonNoHost:          {400, "H3.1", "no-host"},
	ReasonDuplicateHost:   {400, "H3.1", "duplicate-host"},
	ReasonHost:            {400, "H3.2", "host"},
	ReasonHostMismatch:    {400, "H3.3", "host-mismatch"},
	ReasonConnection:      {400, "H4.1", "connection-options"},
	ReasonRequestLineLong: {414, "H6.1", "request-line-long"},
	ReasonFieldLineLong:   {431, "H6.1", "field-line-long"},
	ReasonHeadLong:        {431, "H6.1", "head-long"},
	ReasonFields:          {431, "H6.1", "too-many-fields"},
}

// String returns the stable name of the reason.
func (r Reason) String() string {
	if r >= reasonCount {
		return "unknown"
	}
	return refusals[r].name
}

// Reasons returns all reasons, so that each can get its counter beforehand.
func Reasons() []Reason {
	all := make([]Reason, 0, reasonCount-1)
	for r := reasonNone + 1; r < reasonCount; r++ {
		all = append(all, r)
	}
	return all
}

// Error refuses a message. Status is what the client gets (400, 405, 414, 417,
// 431, 501, 505); for a message from a backend it is always 502. Rule is the
// number in docs/hardening.md ("H2.4"). There is one Error for each reason and
// side, never to be written to, so a refusal allocates nothing. After an Error
// nothing more may be parsed on the connection (H1.15).
type Error struct {
	Status int
	Reason Reason
	Rule   string
}

// Error names reason and rule: "http1: te-and-cl (H2.1)".
func (e *Error) Error() string { return "http1: " + e.Reason.String() + " (" + e.Rule + ")" }

var (
	requestErrors  = newErrors(func(status int) int { return status })
	responseErrors = newErrors(func(int) int { return 502 })
)

func newErrors(status func(int) int) *[reasonCount]Error {
	var errs [reasonCount]Error
	for r, what := range refusals {
		errs[r] = Error{Status: status(what.status), Reason: Reason(r), Rule: what.rule}
	}
	return &errs
}
