package ccf

import (
	"net/http"

	"github.com/cleanroom-go/sdk/internal/cose"
)

// signedMessage is a governance message whose signature was verified with the
// certificate of the member it names.
type signedMessage struct {
	*cose.Message
	signer member
}

// authenticateSigner verifies the body as a governance message of the type
// that the endpoint takes. The client certificate of the connection plays no
// part.
func (c *call) authenticateSigner(rt *route) error {
	m, signer, reason := c.verifySigned(rt)
	if reason == "" {
		c.message = &signedMessage{m, signer}
		return nil
	}
	policy := "active_member_cose_sign1"
	if rt.anyStatus {
		policy = "member_cose_sign1"
	}
	return &apiError{
		status: http.StatusUnauthorized, code: "InvalidAuthenticationInfo",
		message:   "Invalid authentication credentials.",
		details:   []any{obj("auth_policy", policy, "code", "InvalidAuthenticationInfo", "message", reason)},
		challenge: `COSE-SIGN1 realm="Signed request access"`,
	}
}

func (c *call) verifySigned(rt *route) (m *cose.Message, signer member, reason string) {
	if c.Header.Get("Content-Type") != cose.ContentType {
		return nil, signer, "Content type is not set to " + cose.ContentType
	}
	m, err := cose.Parse(c.body)
	if err != nil {
		return nil, signer, "Failed to parse COSE Sign1: " + err.Error()
	}
	if m.Type != rt.signed {
		return nil, signer, "Found ccf.gov.msg.type set to " + m.Type + ", expected ccf.gov.msg.type to be " + rt.signed
	}
	signer, ok := memberTable.get(c.tx, m.KeyID)
	if !ok {
		return nil, signer, "Signer is not a known member"
	}
	if err := m.Verify(signer.cert.PublicKey); err != nil {
		return nil, signer, "Failed to validate COSE Sign1"
	}
	if !rt.anyStatus && signer.status != statusActive {
		return nil, signer, "Signer is not an ACTIVE member"
	}
	return m, signer, ""
}
