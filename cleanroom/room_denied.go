package cleanroom

import "github.com/cleanroom-go/sdk/internal/check"

// Check is one comparison of a verification: what was wanted, what was got
// and, when the two differ, what to do about it.
type Check = check.Check

// DeniedError is a refusal that lists every check, in order. Use errors.As to
// reach it and, through its Unwrap, the service's own error.
type DeniedError = check.DeniedError
