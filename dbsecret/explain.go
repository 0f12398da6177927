package dbsecret

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/cleanroom-go/sdk/internal/check"
)

// refusesPassword reports a failed login: SQLSTATE 28P01 (wrong password) or
// 28000 (no such login).
func refusesPassword(err error) bool {
	code := sqlState(err)
	return code == "28P01" || code == "28000"
}

// explainConnect adds what to do about what people meet when they connect.
func explainConnect(err error) error {
	var (
		name    x509.HostnameError
		unknown x509.UnknownAuthorityError
		invalid x509.CertificateInvalidError
		lookup  *net.DNSError
		network *net.OpError
	)
	remedy := ""
	err = inOneLine(err)
	switch {
	case errors.As(err, &name):
		remedy = "the host to verify (dbEndpoint) must be one in the server's certificate; to reach it at an address that is not in there, give the name as the host and the address apart from it (dbIP)"
	case errors.As(err, &unknown):
		remedy = "the root that signs the server's certificate is not among those given (sslRootCert), or, where none is given, not among the system's"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		remedy = "renew the server's certificate, and compare the clocks"
	case sqlState(err) != "":
		remedy = connectRemedies[sqlState(err)]
	case errors.As(err, &lookup):
		remedy = "check the host (dbEndpoint), or give its address too (dbIP): a room may have no name resolution"
	case errors.As(err, &network) && network.Op == "dial":
		remedy = remedyNetwork
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		remedy = "the server closed the connection before the login; its log says why"
	}
	if remedy == "" {
		return err
	}
	return fmt.Errorf("%w; %s", err, remedy)
}

// explainQuery does the same for a query on an open connection.
func explainQuery(err error) error {
	err = inOneLine(err)
	remedy := queryRemedies[sqlState(err)]
	if remedy == "" {
		return err
	}
	return fmt.Errorf("%w; %s", err, remedy)
}

// remedyNetwork is for whoever meets no server at all.
const remedyNetwork = "check the host and port (dbEndpoint, dbPort, dbIP), and that firewall and network policy let connections through"

// serverText is an error whose text the server wrote, made harmless to print.
type serverText struct{ err error }

func (e serverText) Error() string { return check.Printable(e.err.Error()) }
func (e serverText) Unwrap() error { return e.err }

func inOneLine(err error) error {
	if of := (interface{ SQLState() string })(nil); errors.As(err, &of) { // also one without a code
		return serverText{err}
	}
	return err
}

var queryRemedies = map[string]string{
	"42501": "the owner of the database must grant SELECT to the user (dbUser)",
	"42703": "check the query's columns; text in double quotes is a column's name too, so pass values as arguments",
	"42P01": "check the query's tables, and the name of the database (dbName)",
}

var connectRemedies = map[string]string{
	"28P01": "the server refused the password; where it is wrapped (dbPassword), have the publisher wrap the current one",
	"28000": "the server does not let this user in from here; check the user (dbUser), and the server's pg_hba.conf",
	"3D000": "check the name of the database (dbName)",
	"53300": "the server has no free connection; raise its max_connections or lower the pool's limit",
}
