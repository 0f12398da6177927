package skr

import (
	"fmt"

	"github.com/cleanroom-go/sdk/internal/check"
)

// remedyWait is true of every object that Entra was told of a moment ago.
const remedyWait = "one that was just made or changed acts after about a minute"

// FederationError says what was sent to Microsoft Entra when it did not accept
// an assertion: the claims that it compares with an identity's federated
// credentials, and not the assertion. It is the cause of a [*DeniedError].
type FederationError struct {
	// TenantID and ClientID are the identity that was asked for.
	TenantID, ClientID string
	// Issuer, Subject and Audience are those of the assertion; empty if it was
	// no token that could be read.
	Issuer, Subject, Audience string
	// Code is the service's number, as in AADSTS700213.
	Code int
	// Err is the failure as azidentity reports it.
	Err error
}

// Temporary reports whether the same request may succeed in a minute because a
// federated credential or identity that was just made is not known everywhere.
// Nothing in the answer tells that from one that does not exist.
func (e *FederationError) Temporary() bool {
	switch e.Code {
	case 70021, 700211, 700212, 700213, 700016:
		return true
	}
	return false
}

func (e *FederationError) Error() string {
	return fmt.Sprintf("AADSTS%d for an assertion of issuer %s, subject %s, audience %s: %v", e.Code,
		check.Printable(orAbsent(e.Issuer)), check.Printable(orAbsent(e.Subject)), check.Printable(orAbsent(e.Audience)), e.Err)
}

func (e *FederationError) Unwrap() error { return e.Err }

func (c *assertionCredential) federationError(err error, last assertionClaims) error {
	e := &FederationError{
		TenantID: c.tenantID, ClientID: c.clientID,
		Issuer: last.Issuer, Subject: last.Subject, Audience: textOf(last.Audience), Err: err,
	}
	if codes := entraCodes(err); len(codes) > 0 {
		e.Code = codes[0]
	}
	return e
}
