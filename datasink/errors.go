package datasink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
)

// What a caller may branch on, with [errors.Is]. A blob that is not there is
// [fs.ErrNotExist], a writer or reader that has ended is [fs.ErrClosed].
var (
	// ErrConflict means that somebody else wrote, or removed, the blob
	// between the start of a write and its commit. Nothing was changed.
	ErrConflict = errors.New("the blob was written or removed by somebody else meanwhile")
	// ErrExist means that an exclusive write found a blob.
	ErrExist = fs.ErrExist
	// ErrChanged means that a blob changed while it was being read.
	ErrChanged = errors.New("the blob changed while it was being read")
	// ErrKey means that a blob is not under the sink's key: it is under
	// another, or it has a key and the sink has none, or the reverse; or
	// that the service did not confirm the key.
	ErrKey = errors.New("the blob is not under this sink's key")
	// ErrDamaged means that what is stored is not what was written: a byte, the
	// order, the length or the place is another. Modes CSE and Sealed find it;
	// no byte of a damaged chunk is handed out.
	ErrDamaged = errors.New("what is stored is damaged")
	// ErrName means that a name cannot be that of a blob, or that a blob's
	// name cannot be that of a file.
	ErrName = errors.New("the name cannot be used")
	// ErrUncertain means that a commit ended without an answer and that the
	// service could not be asked whether it took effect. The blob is the old
	// one or the new one, nothing else.
	ErrUncertain = errors.New("it is not known whether the commit took effect")
)

// Error is what every operation of a sink returns. It names the operation,
// the place and the blob; errors.As reaches the service's own
// *azcore.ResponseError below it.
type Error struct {
	Op     string // "write", "read", "list", "download", ...
	Sink   string // URL of the container, or the backend's name
	Blob   string // may be empty
	Remedy string // what to do, may be empty
	Err    error
}

// Error is one line; a service's error is shortened to status and code.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "datasink: %s", e.Op)
	if e.Blob != "" {
		fmt.Fprintf(&b, " %q", e.Blob)
	}
	fmt.Fprintf(&b, " in %s: %s", e.Sink, describe(e.Err))
	if e.Remedy != "" {
		fmt.Fprintf(&b, " (%s)", e.Remedy)
	}
	return b.String()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// fail wraps an error once; what is already an *Error knows its place.
func (s *Sink) fail(op, name string, err error) error {
	if err == nil {
		return nil
	}
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	return &Error{Op: op, Sink: s.backend.String(), Blob: name, Remedy: remedy(err), Err: err}
}

// kinded is a service's error under one of the kinds above.
type kinded struct{ kind, err error }

func (k *kinded) Error() string   { return k.kind.Error() + ": " + describe(k.err) }
func (k *kinded) Unwrap() []error { return []error{k.kind, k.err} }

// describe is err as text. The Azure SDK prints a whole exchange over a dozen
// lines; status and code say the same.
func describe(err error) string {
	if response, ok := err.(*azcore.ResponseError); ok {
		return fmt.Sprintf("HTTP %d %s", response.StatusCode, response.ErrorCode)
	}
	return err.Error()
}

// remedies by the service's error code.
var remedies = map[string]string{
	"BlobUsesCustomerSpecifiedEncryption":       "the blob is under a customer's key: use mode CPK and the DEK of this sink",
	"BlobCustomerSpecifiedEncryptionMismatch":   "the blob is under another DEK: use that one, or remove the blob before writing it anew",
	"BlobDoesNotUseCustomerSpecifiedEncryption": "the blob has no customer's key: read it in mode SSE, or remove it before writing it in mode CPK",
	"AuthorizationPermissionMismatch":           "give this identity the role Storage Blob Data Contributor on the container, Reader to read only; a new role takes some minutes to be seen",
	"AuthorizationFailure":                      "the network rules of the storage account keep this client out",
	"NoAuthenticationInformation":               "the request carried no token: check the credential",
	"InvalidAuthenticationInfo":                 "the token was refused: it must be valid now and made out to https://storage.azure.com",
	"AuthenticationFailed":                      "the token was refused: it must be valid now and made out to https://storage.azure.com",
	"ContainerNotFound":                         "make the container first, with CreateContainer",
	"ContainerBeingDeleted":                     "the container is being deleted: wait half a minute, or use another name",
	"Crc64Mismatch":                             "the bytes changed on their way: try again",
	"ServerBusy":                                "the account is throttled: try again later, or with fewer streams",
	"RequestBodyTooLarge":                       "use a smaller block size",
	"FeatureNotSupported":                       "this service does not know customer-provided keys",
}

func remedy(err error) string {
	var response *azcore.ResponseError
	if errors.As(err, &response) {
		if text := remedies[response.ErrorCode]; text != "" {
			return text
		}
	}
	switch {
	case errors.Is(err, ErrConflict):
		return "look at the blob that is there now and write again if it is still right to"
	case errors.Is(err, ErrDamaged):
		return "do not use the blob; have it written again"
	case errors.Is(err, ErrChanged):
		return "open the blob again"
	case errors.Is(err, ErrUncertain):
		return "open the blob to see, then write again if need be"
	case errors.Is(err, context.DeadlineExceeded):
		return "allow more time"
	}
	return ""
}
