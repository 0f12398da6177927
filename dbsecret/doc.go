// Package dbsecret turns the secret that describes a database into connections
// to it, and its rows into text, CSV or JSON Lines.
//
// The publisher of a database tells the clean room about it in a small JSON
// document, which is stored as a secret of the contract: where the database is,
// how its certificate is verified, and where the password is wrapped. The
// publisher makes it with [Document.Encode]; a [Deployment] is a database to
// try it with. In the room,
//
//	connector, err := dbsecret.Resolve(ctx, governance, unwrapper, secretID, nil)
//	if err != nil {
//		return err
//	}
//	db := sql.OpenDB(connector)
//	defer db.Close()
//	result, err := dbsecret.WriteRows(ctx, w, db, `SELECT id, first_name FROM users WHERE gender = $1 ORDER BY id`, "Female")
//
// reads the document, and with the first query unwraps the password, connects
// and writes the rows. [Connector] is a [database/sql/driver.Connector]: all
// that database/sql offers works on it. A [Shard] divides the rows among
// several programs. The modules dbsecret/pgcopy and dbsecret/parquetrows write
// PostgreSQL's own CSV or text, and Parquet.
//
// # What is verified
//
// The server's certificate, against the roots in the document (sslRootCert) and
// the name in it, also when the document gives an address to connect to. A
// document without roots means the system's, and then whatever configures those
// has a say: on Unix the variables SSL_CERT_FILE and SSL_CERT_DIR. Put the root
// into the document, and nothing in the environment has one. A document may ask
// for less ("sslMode"), and is refused unless the program in the room permits
// that too.
//
// No PG* variable, service file, password file or client certificate in the home
// directory is read. The one variable that makes lib/pq print passwords,
// PQGO_DEBUG, makes Connect refuse.
//
// # What may leave the room
//
// The query's text decides, and [RowsOptions] hold it to what the parties have
// agreed: the columns that a result may have, how many rows, and over how many
// records each row must have been computed. A result that breaks a limit fails
// before anything of it is committed.
//
// # What the server can do to the room
//
// It belongs to another party, so nothing it sends is trusted. A message that
// makes the driver panic is an error, in whichever goroutine it is read; one of
// more than 256 MiB is refused before memory is taken for it, and a login with
// more than a million rounds of SCRAM before any is computed; a server that
// meets a cancellation with silence, or with rows for ever, is left after five
// seconds; and what it writes into its errors is printed on one line.
//
// # Where the password lives
//
// Wrapped, in the publisher's key vault. The connector holds it in a form that
// prints as redacted and is cleared by Close, which sql.DB calls. The driver
// keeps a copy as a string in each open connection; that one cannot be cleared.
//
// # Errors
//
// They start with "dbsecret: ", the operation and the server, and wrap the
// cause: [crypto/x509] errors, *pq.Error, or what the unwrapper reported. None
// quotes the password, nor a document's member that might be one.
//
// # Compatibility
//
// Documents of other implementations of the scenario are read: they have
// dbEndpoint, dbName, dbUser and dbPassword, some dbIP, and are stored as
// base64. Those connect without TLS; this package does not, so their server
// needs a certificate first.
package dbsecret
