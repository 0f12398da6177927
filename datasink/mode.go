package datasink

import (
	"errors"
	"fmt"
)

// Mode says who encrypts the bytes of a sink. Its text is the one of the
// specification document.
type Mode string

const (
	// CPK is encryption by the storage service with a key that the client
	// sends with every request and the service forgets (customer-provided
	// keys, storage REST api-version 2019-02-02 and later).
	CPK Mode = "CPK"
	// SSE is encryption by the storage service with a key of its own: the
	// account's operator can read the bytes.
	SSE Mode = "SSE"
)

// check refuses a mode that does not fit the key.
func (m Mode) check(dek *DEK) error {
	switch m {
	case CPK:
		if dek == nil {
			return errors.New("mode CPK needs a DEK")
		}
		if dek.closed() {
			return errors.New("the DEK is closed")
		}
	case SSE:
		if dek != nil {
			return errors.New("mode SSE uses no DEK: a key that encrypts nothing must not look as if it did")
		}
	case "":
		return errors.New("no mode given: say CPK, or SSE if the operator of the account may read the data")
	default:
		return fmt.Errorf("mode %q is unknown, want CPK or SSE", string(m))
	}
	return nil
}
