package governance

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/cleanroom-go/sdk/internal/check"
)

// Check is one comparison of a verification: what was wanted, what was got,
// and what to do when they differ.
type Check = check.Check

// DeniedError is a refusal that explains itself with the list of its checks.
// Its cause, when the service refused, is a [*ServiceError].
type DeniedError = check.DeniedError

func equalCheck(id, want, got, remedy string) Check {
	if got == "" {
		got = "none"
	}
	return check.Equal(id, want, got, remedy)
}

// denied is nil if every check passed.
func denied(op, by string, checks []Check, cause error) error {
	return check.Denied("governance: "+op, by, checks, cause)
}

// digest stands for a long text in a check.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}
