package pgcopy

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cleanroom-go/sdk/internal/check"
)

// serverText is an error whose text the server wrote, made harmless to print.
type serverText struct{ err error }

func (e serverText) Error() string { return check.Printable(e.err.Error()) }
func (e serverText) Unwrap() error { return e.err }

var remedies = map[string]string{
	"25006": "the query runs in a transaction that may only read; give one that does not write, nor calls what does",
	"42501": "the owner of the database must grant SELECT to the user (dbUser)",
	"42601": "the query must be one statement, a SELECT, VALUES or TABLE",
	"42703": "check the query's columns; text in double quotes is a column's name too, so quote values with Literal",
	"42P01": "check the query's tables, and the name of the database (dbName)",
}

func explain(err error) error {
	var refused *pgconn.PgError
	if !errors.As(err, &refused) {
		return err
	}
	if remedies[refused.Code] == "" {
		return serverText{err}
	}
	return fmt.Errorf("%w; %s", serverText{err}, remedies[refused.Code])
}
