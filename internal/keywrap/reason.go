package keywrap

import (
	"errors"
	"fmt"
	"io"
)

// ErrUnwrap is the one error of every failed unwrap, whatever the reason, so
// that a peer who can try inputs learns nothing from the answer.
var ErrUnwrap = errors.New("keywrap: unwrap failed")

// Reason says which check of an unwrap failed first.
type Reason uint8

// The reasons, in the order in which they are checked.
const (
	// NoReason is the reason of an error that is not about an unwrap.
	NoReason Reason = iota
	// BadLength is a wrapped value of a length that no wrapping gives.
	BadLength
	// BadOAEP is an RSA part that this key, or this hash, does not open.
	BadOAEP
	// BadKeySize is an RSA part that holds no 32-byte AES key.
	BadKeySize
	// BadCheckValue is an AES part of another key, or a changed one.
	BadCheckValue
	// BadPlainLength is an AES part whose length field does not fit its size.
	BadPlainLength
	// BadPadding is an AES part whose padding is not of zeros.
	BadPadding
)

var reasons = [...]string{"", "length", "rsa-oaep", "aes-key-size", "check-value", "plaintext-length", "padding"}

// String is a short name, "" for NoReason.
func (r Reason) String() string {
	if int(r) < len(reasons) {
		return reasons[r]
	}
	return ""
}

// failure prints as ErrUnwrap under every verb: the reason must not travel in a
// log or an answer by accident.
type failure struct{ reason Reason }

func (*failure) Error() string                { return ErrUnwrap.Error() }
func (*failure) Is(target error) bool         { return target == ErrUnwrap }
func (f *failure) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, f.Error()) }

// ReasonOf tells failed unwraps apart, for the one who debugs his own values.
// A reason is never for the other side: answers that differ by it make an
// oracle.
func ReasonOf(err error) Reason {
	var f *failure
	if errors.As(err, &f) {
		return f.reason
	}
	return NoReason
}
