package skr

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Names of the claims that this package reads. Azure Attestation's claim set
// for SEV-SNP defines them.
const (
	claimIssuer     = "iss"
	claimExpires    = "exp"
	claimNotBefore  = "nbf"
	claimNonce      = "nonce"
	claimType       = "x-ms-attestation-type"
	claimCompliance = "x-ms-compliance-status"
	claimRuntime    = "x-ms-runtime"
	claimHostData   = "x-ms-sevsnpvm-hostdata"
	claimReportData = "x-ms-sevsnpvm-reportdata"
	claimDebuggable = "x-ms-sevsnpvm-is-debuggable"
	typeSEVSNP      = "sevsnpvm"
	complianceUVM   = "azure-compliant-uvm"
	absent          = "(absent)"
	maxTokenBytes   = 256 << 10
)

// Claims are the claims of an attestation token. Numbers are json.Number, so
// that no version number loses digits.
type Claims map[string]any

// UnmarshalJSON reads an object. A member that appears twice is an error.
func (c *Claims) UnmarshalJSON(data []byte) error {
	object, err := decodeObjectStrict(data)
	if err != nil {
		return fmt.Errorf("skr: claims: %w", err)
	}
	*c = object
	return nil
}

// lookup finds a claim by name. A dot navigates into objects; a member whose
// own name holds the dot wins.
func (c Claims) lookup(name string) (any, bool) {
	if v, ok := c[name]; ok {
		return v, true
	}
	for i := range len(name) {
		if name[i] != '.' {
			continue
		}
		if inner, ok := c[name[:i]].(map[string]any); ok {
			if v, ok := Claims(inner).lookup(name[i+1:]); ok {
				return v, true
			}
		}
	}
	return nil, false
}

// text is the JSON text of a scalar claim, strings without their quotes.
func (c Claims) text(name string) (string, bool) {
	v, ok := c.lookup(name)
	if !ok {
		return "", false
	}
	return scalarText(v)
}

// textOrAbsent is text for the "got" side of a check.
func (c Claims) textOrAbsent(name string) string {
	v, ok := c.lookup(name)
	if !ok {
		return absent
	}
	if s, ok := scalarText(v); ok {
		return s
	}
	return "(not a scalar)"
}

func scalarText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

// time reads a NumericDate (RFC 7519, section 2).
func (c Claims) time(name string) (time.Time, error) {
	v, ok := c[name]
	if !ok {
		return time.Time{}, fmt.Errorf("claim %s is absent", name)
	}
	n, ok := v.(json.Number)
	if !ok {
		return time.Time{}, fmt.Errorf("claim %s is no number", name)
	}
	f, err := n.Float64()
	// 2^53 seconds is far beyond any calendar and still exact.
	if err != nil || math.IsNaN(f) || f < 0 || f > 1<<53 {
		return time.Time{}, fmt.Errorf("claim %s is no time", name)
	}
	return time.Unix(int64(f), 0).UTC(), nil
}

// AttestationToken is a token of the attestation service whose signature and
// claims were verified. It prints as redacted: whoever holds it can ask a
// vault for keys that only the attested program can open.
type AttestationToken struct {
	// raw is a closure because fmt, given a token by value, would look through
	// a pointer.
	raw     func() string
	claims  Claims
	expires time.Time
	checks  []Check
}

// Raw is the token in compact form.
func (t *AttestationToken) Raw() string { return t.raw() }

// Claims are the verified claims. The caller must not change them.
func (t *AttestationToken) Claims() Claims { return t.claims }

// Expires is the end of the token's lifetime.
func (t *AttestationToken) Expires() time.Time { return t.expires }

// Checks are the comparisons that the token passed, in order.
func (t *AttestationToken) Checks() []Check { return append([]Check(nil), t.checks...) }

// shorten keeps a check readable when a peer answers with a very long value.
func shorten(s string) string {
	const limit = 160
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}
