// Package pgcopy writes the result of a query as PostgreSQL's own CSV or text:
// with COPY TO STDOUT, where the server does the formatting and the program in
// the room only checks and passes on. It is the fast way for large results;
// [dbsecret.WriteRows] is the one with arguments and other forms.
//
//	connector, err := dbsecret.Resolve(ctx, governance, unwrapper, secretID, nil)
//	if err != nil {
//		return err
//	}
//	defer connector.Close()
//	err = out.WriteFile(ctx, "users.csv", func(w io.Writer) error {
//		_, err := pgcopy.Write(ctx, w, connector, nil, `SELECT id, first_name FROM users ORDER BY id`)
//		return err
//	})
//
// The connection is the [dbsecret.Connector]'s, so all holds that is said there:
// the document, verify-full, no variable of the environment, no password that is
// kept longer than the login.
//
// # What may leave the room
//
// The limits of [Options] are those of [dbsecret.RowsOptions], and a result that
// breaks one is an error before anything of it is committed. They do not rely on
// what the server says alone: what it sends is read as CSV or text, row by row,
// and the rows are counted here. The names of the columns come from the server's
// description of the query, made in the same transaction.
//
// # The query
//
// It is one SELECT, VALUES or TABLE, without arguments, for COPY takes none;
// [Literal] quotes a value that is not the program's own. It runs in a
// transaction that may only read. It is first prepared as it is, which the
// server does with a single, whole statement only, and then stands in the
// parentheses of a COPY: it cannot end them, comment out what follows, or lead
// the output elsewhere.
//
// # What the server can do to the room
//
// What is malformed, ends early, goes on for more rows than allowed, or is
// counted otherwise by the server itself, is an error. A result without end is
// bounded by MaxRows or by the context.
//
// # Errors
//
// They begin with "pgcopy: " and the operation, and wrap those of dbsecret for
// connecting and *pgconn.PgError for what the server refused.
package pgcopy
