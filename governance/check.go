package governance

import "github.com/cleanroom-go/sdk/internal/check"

// Check is one comparison of a verification: what was wanted, what was got,
// and what to do when they differ.
type Check = check.Check

// DeniedError is a refusal that explains itself with the list of its checks.
// Its cause, when the service refused, is a [*ServiceError].
type DeniedError = check.DeniedError
