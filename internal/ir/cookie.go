package ir

// CookieFlags set or remove flags of the cookies of a backend.
type CookieFlags struct {
	// Cookie is a name, or an expression; letters match in both cases.
	Cookie     string `json:"cookie"`
	Expression bool   `json:"expression,omitempty"`
	// Secure and HTTPOnly are FlagOn, FlagOff, or empty for what the cookie has;
	// SameSite is "Strict", "Lax", "None", FlagOff or empty.
	Secure   string `json:"secure,omitempty"`
	HTTPOnly string `json:"httpOnly,omitempty"`
	SameSite string `json:"sameSite,omitempty"`
}

// What becomes of a flag.
const (
	FlagOn  = "on"
	FlagOff = "off"
)
