package pgstandin

import "fmt"

// SQLSTATEs that the stand-in uses, with PostgreSQL's names of them.
const (
	codeProtocolViolation    = "08P01"
	codeFeatureNotSupported  = "0A000"
	codeNumberOutOfRange     = "22003"
	codeInvalidDatetime      = "22007"
	codeInvalidText          = "22P02"
	codeInvalidRowCount      = "2201W"
	codeActiveTransaction    = "25001"
	codeReadOnlyTransaction  = "25006"
	codeNoActiveTransaction  = "25P01"
	codeFailedTransaction    = "25P02"
	codeInvalidStatementName = "26000"
	codeInvalidAuthorization = "28000"
	codeInvalidPassword      = "28P01"
	codeInvalidCursorName    = "34000"
	codeInvalidCatalogName   = "3D000"
	codeUndefinedColumn      = "42703"
	codeUndefinedFunction    = "42883"
	codeUndefinedTable       = "42P01"
	codeUndefinedParameter   = "42P02"
	codeIndeterminateType    = "42P18"
)

// sqlError becomes an ErrorResponse.
type sqlError struct{ code, message string }

func (e *sqlError) Error() string { return e.message + " (" + e.code + ")" }

func errorf(code, format string, a ...any) error {
	return &sqlError{code, fmt.Sprintf(format, a...)}
}

// unsupported is what is said about everything that only a PostgreSQL knows.
func unsupported(what string, a ...any) error {
	return errorf(codeFeatureNotSupported, "this is a stand-in, not PostgreSQL, and does not know %s; install PostgreSQL's server programs", fmt.Sprintf(what, a...))
}
