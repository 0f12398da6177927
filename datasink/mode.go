package datasink

import (
	"errors"
	"fmt"
)

// Mode says who encrypts the bytes of a sink, and how they are stored. Its
// text is the one of the specification document.
type Mode string

const (
	// CPK is encryption by the storage service with a key that the client
	// sends with every request and the service forgets (customer-provided
	// keys, storage REST api-version 2019-02-02 and later).
	CPK Mode = "CPK"
	// CSE is encryption by this package, in the chunk format of the clean
	// room's encrypting mount (package cse). The storage does not see the
	// bytes, but whoever can write to it can reorder, drop and splice them.
	CSE Mode = "CSE"
	// Sealed is encryption by this package in a format that authenticates
	// everything (package sealed). Only this SDK and programs that know
	// Cobblestone-256 read it: a mount would show what is stored.
	Sealed Mode = "Sealed"
	// SSE is encryption by the storage service with a key of its own: the
	// account's operator can read the bytes.
	SSE Mode = "SSE"
)

// check refuses a mode that does not fit the key.
func (m Mode) check(dek *DEK) error {
	switch m {
	case CPK, CSE, Sealed:
		if dek == nil {
			return fmt.Errorf("mode %s needs a DEK", m)
		}
		return dek.belong(m)
	case SSE:
		if dek != nil {
			return errors.New("mode SSE uses no DEK: a key that encrypts nothing must not look as if it did")
		}
	case "":
		return errors.New("no mode given: say CPK, CSE or Sealed, or SSE if the operator of the account may read the data")
	default:
		return fmt.Errorf("mode %q is unknown, want CPK, CSE, Sealed or SSE", string(m))
	}
	return nil
}

// newFormat makes the format of a mode that has passed check.
func newFormat(opts *Options) (format, error) {
	switch opts.Mode {
	case Sealed:
		return newSealedFormat(opts.DEK, opts.Contract, opts.Datasink)
	case CSE:
		size := opts.ChunkSize
		if size == 0 {
			size = defaultChunkSize
		}
		return newCSEFormat(opts.DEK, size)
	}
	return plainFormat{}, nil
}
