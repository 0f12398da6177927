package skr

import (
	"context"

	"github.com/cleanroom-go/sdk/internal/check"
)

// Check is one comparison of a verification: what was wanted, what was got
// and, when the two differ, what to do about it.
type Check = check.Check

// DeniedError is a refusal that lists every check, in order. Use errors.As to
// reach it and, through its Unwrap, the service's own error.
type DeniedError = check.DeniedError

// Evidence is what an SNP guest hands to a relying party.
type Evidence struct {
	// Report is the raw SEV-SNP attestation report of 1184 bytes.
	Report []byte
	// Certificates is the PEM text of VCEK, ASK and ARK, in this order.
	Certificates []byte
	// UVMEndorsements is the COSE_Sign1 document that names the launch
	// measurement of the utility VM; nil if the platform gave none. Without it
	// the attestation service does not call a guest azure-compliant-uvm.
	UVMEndorsements []byte
	// RuntimeData is the bytes whose SHA-256, followed by 32 zero bytes, is the
	// report's REPORT_DATA. The exact bytes count: no canonicalisation.
	RuntimeData []byte
}

// An Attester makes evidence about the program it runs in. An implementation
// must be safe for concurrent use.
type Attester interface {
	// Attest binds runtimeData to a fresh report and returns both.
	Attest(ctx context.Context, runtimeData []byte) (*Evidence, error)
}
