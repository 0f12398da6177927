package ccf

import (
	"fmt"
	"net/http"
)

// apiError is an answer that is no success. It discards the transaction.
type apiError struct {
	status        int
	code, message string
	details       []any
	// challenge is the WWW-Authenticate header, if any.
	challenge string
	// allow is the Allow header, if any.
	allow string
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

func (e *apiError) body() *object {
	var details any = undefined
	if e.details != nil {
		details = e.details
	}
	return obj("error", obj("code", e.code, "message", e.message, "details", details))
}

func failure(status int, code, message string) *apiError {
	return &apiError{status: status, code: code, message: message}
}

func badRequest(code, message string) *apiError {
	return failure(http.StatusBadRequest, code, message)
}

// exception is what the application's script would have thrown. The caller
// learns its text only if the runtime options of the service say so.
type exception struct{ message string }

func (e *exception) Error() string { return e.message }

func throw(format string, args ...any) error {
	return &exception{fmt.Sprintf(format, args...)}
}
