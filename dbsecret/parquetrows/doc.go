// Package parquetrows writes the rows of a query as a Parquet file, within the
// limits of [dbsecret.RowsOptions].
//
//	err := out.WriteFile(ctx, "users.parquet", func(w io.Writer) error {
//		_, err := parquetrows.Write(ctx, w, db, nil, `SELECT id, first_name FROM users WHERE gender = $1 ORDER BY id`, "Female")
//		return err
//	})
//
// # Types
//
// Every column is optional, for the server does not say which can be NULL, and
// stands in the query's order under its name. What a value of PostgreSQL becomes:
//
//	smallint, integer, bigint   INT of 16, 32, 64 bits, signed
//	real, double precision      FLOAT, DOUBLE: NaN and the infinities are values of these
//	boolean                     BOOLEAN
//	bytea                       BYTE_ARRAY without a logical type, the bytes themselves
//	numeric(p, s), p up to 18   DECIMAL(p, s) in 32 or 64 bits; NaN is an error
//	any other numeric           STRING with all digits, NaN and Infinity too
//	date                        DATE
//	timestamp                   TIMESTAMP of microseconds, not adjusted to UTC
//	timestamp with time zone    TIMESTAMP of microseconds in UTC
//	time                        TIME of microseconds, not adjusted to UTC
//	json, jsonb                 JSON
//	anything else               STRING as PostgreSQL prints it: texts, arrays,
//	                            uuid, interval, time with time zone, inet, enums
//
// A date or timestamp that is infinity, or beyond 64 bits of microseconds, is an
// error, as is a text that is not UTF-8, and two columns of one name. In each
// case a cast to text in the query, or an AS, helps.
//
// # Memory
//
// Rows are kept until a row group is full: [Options] bounds it in rows and in
// bytes. The file's end lists the groups and their pages, with some hundred
// bytes for each.
//
// # Errors
//
// They begin with "parquetrows: " and wrap those of dbsecret. After one the
// result is zero, and what was written has no end, so that no reader takes it
// for a file.
package parquetrows
