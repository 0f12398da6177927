// Package pgstandin stands in for a PostgreSQL where none is installed, so that
// the demo needs only Go. It is not PostgreSQL: it speaks the protocol (TLS 1.3,
// SCRAM-SHA-256, simple and extended queries, transactions) over the sample data
// of package postgres, reads alone, and knows just the statements below.
//
//	SELECT * | count(*) | column [AS name], ... FROM users | plants
//	  [WHERE condition AND ...] [ORDER BY column [ASC | DESC], ...] [LIMIT n]
//	SELECT integer | current_database() | current_user, ...
//	SHOW server_version | client_encoding | transaction_read_only | ...
//	BEGIN [ISOLATION LEVEL ...] [READ ONLY | READ WRITE], COMMIT, ROLLBACK
//
// A condition compares a column with a literal or a parameter (= <> != < <= >
// >=), or is IS [NOT] NULL or BETWEEN. Everything else is refused with SQLSTATE
// 0A000 and a message that names the stand-in; the server's version does too.
// Where a statement is known, its columns, types, rows and refusals are those of
// a PostgreSQL: a test runs the same statements against both.
package pgstandin
