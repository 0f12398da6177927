package dbsecret

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/lib/pq"
)

// refusesPassword reports a failed login: SQLSTATE 28P01 (wrong password) or
// 28000 (no such login).
func refusesPassword(err error) bool {
	var pe *pq.Error
	return errors.As(err, &pe) && (pe.Code == "28P01" || pe.Code == "28000")
}

// explainConnect adds what to do about what people meet when they connect.
func explainConnect(err error) error {
	var (
		name    x509.HostnameError
		unknown x509.UnknownAuthorityError
		invalid x509.CertificateInvalidError
		pe      *pq.Error
		lookup  *net.DNSError
		network *net.OpError
	)
	remedy := ""
	switch {
	case errors.As(err, &name):
		remedy = "the document's dbEndpoint must be a name in the server's certificate; give the address to connect to in dbIP"
	case errors.As(err, &unknown):
		remedy = "put the root that signs the server's certificate into the document's sslRootCert"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		remedy = "renew the server's certificate, and compare the clocks"
	case errors.As(err, &pe):
		remedy = connectRemedies[string(pe.Code)]
	case errors.As(err, &lookup):
		remedy = "check the document's dbEndpoint, or give the address in dbIP: a room may have no name resolution"
	case errors.As(err, &network) && network.Op == "dial":
		remedy = "check the document's dbEndpoint, dbPort and dbIP, and that firewall and network policy let the room through"
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
	var pe *pq.Error
	if !errors.As(err, &pe) || queryRemedies[string(pe.Code)] == "" {
		return err
	}
	return fmt.Errorf("%w; %s", err, queryRemedies[string(pe.Code)])
}

var queryRemedies = map[string]string{
	"42501": "the owner of the database must grant SELECT to dbUser",
	"42703": "check the query's columns; text in double quotes is a column's name too, so pass values as arguments",
	"42P01": "check the query's tables, and the document's dbName",
}

var connectRemedies = map[string]string{
	"28P01": "the server refused the wrapped password; have the publisher wrap the current one",
	"28000": "the server does not let this user in from here; check dbUser, and the server's pg_hba.conf",
	"3D000": "check the document's dbName",
	"53300": "the server has no free connection; raise its max_connections or lower the pool's limit",
}
