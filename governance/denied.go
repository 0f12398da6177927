package governance

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/cleanroom-go/sdk/internal/check"
)

func equalCheck(id, want, got, remedy string) Check {
	if got == "" {
		got = "none"
	}
	return check.Equal(id, want, got, remedy)
}

func denied(op, by string, checks []Check, cause error) error {
	return check.Denied("governance: "+op, by, checks, cause)
}

// digest stands for a long text in a check.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(sum[:])
}
