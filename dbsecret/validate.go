package dbsecret

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"unicode"

	"github.com/cleanroom-go/sdk/skr"
)

// The modes of a document, as PostgreSQL's own clients name them. "allow" and
// "prefer" are left out: they encrypt only if nobody minds.
const (
	sslVerifyFull = "verify-full"
	sslVerifyCA   = "verify-ca"
	sslRequire    = "require"
	sslDisable    = "disable"
)

// maxIdentifier is PostgreSQL's NAMEDATALEN less the terminator. The server
// cuts longer names, so they could name something else.
const maxIdentifier = 63

// Validate reports the first member that cannot be used.
func (d *Document) Validate() error {
	_, err := d.normalized()
	return err
}

func (d *Document) normalized() (Document, error) {
	n := *d
	if err := n.normalize(); err != nil {
		return Document{}, fmt.Errorf("dbsecret: document: %w", err)
	}
	return n, nil
}

func (d *Document) normalize() error {
	if err := d.normalizeEndpoint(); err != nil {
		return fmt.Errorf("dbEndpoint %w", err)
	}
	if d.Port < 0 || d.Port > 65535 {
		return fmt.Errorf("dbPort is %d; it must be 1 to 65535", d.Port)
	}
	if d.IP != "" {
		ip, err := netip.ParseAddr(strings.Trim(d.IP, "[] "))
		if err != nil || ip.Zone() != "" {
			return errors.New("dbIP is no IP address; leave it out, or give the address that dbEndpoint has")
		}
		d.IP = ip.String()
	}
	if err := validIdentifier(d.Name); err != nil {
		return fmt.Errorf("dbName %w", err)
	}
	if err := validIdentifier(d.User); err != nil {
		return fmt.Errorf("dbUser %w", err)
	}
	switch d.SSLMode {
	case "", sslVerifyFull, sslVerifyCA, sslRequire, sslDisable:
	default:
		return fmt.Errorf("sslMode is none of those known; it must be %s, %s, %s or %s", sslVerifyFull, sslVerifyCA, sslRequire, sslDisable)
	}
	if d.SSLRootCert != "" {
		if _, err := rootPool(d.SSLRootCert); err != nil {
			return fmt.Errorf("sslRootCert %w", err)
		}
	}
	if d.Password == (skr.SecretRef{}) {
		return errors.New("dbPassword is missing")
	}
	if err := d.Password.Validate(); err != nil {
		return fmt.Errorf("dbPassword: %w", err)
	}
	for name := range d.Unknown {
		for _, f := range d.fields() {
			if f.name == name {
				return fmt.Errorf("unknown member %q is a known one; set the field", name)
			}
		}
	}
	return nil
}

// normalizeEndpoint reads what people paste: a URL, a port, capitals, a final
// dot. Lists of hosts and socket paths, which drivers understand, are refused.
// So is a connection string, and none of what is refused is quoted: it may hold
// a password.
func (d *Document) normalizeEndpoint() error {
	host := strings.TrimSpace(d.Endpoint)
	for _, scheme := range []string{"postgres://", "postgresql://", "tcp://"} {
		host = strings.TrimPrefix(host, scheme)
	}
	host = strings.TrimSuffix(host, "/")
	if host == "" {
		return errors.New("is missing")
	}
	if strings.Contains(host, "@") {
		return errors.New("holds user information; give the host alone")
	}
	if h, port, err := net.SplitHostPort(host); err == nil {
		p, err := strconv.ParseUint(port, 10, 16)
		if err != nil || p == 0 {
			return errors.New("has no valid port; it is 1 to 65535")
		}
		if d.Port != 0 && d.Port != int(p) {
			return fmt.Errorf("names another port than dbPort, which is %d", d.Port)
		}
		host, d.Port = h, int(p)
	} else {
		host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip.Zone() != "" {
			return errors.New("is an address with a zone, which no certificate can carry")
		}
		d.Endpoint = ip.String()
		return nil
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if !validHost(host) {
		return errors.New("is neither a host name nor an IP address: " + notHost(host))
	}
	d.Endpoint = host
	return nil
}

// notHost says what is wrong with a host without repeating any of it.
func notHost(host string) string {
	switch {
	case strings.ContainsAny(host, "=?;"):
		return "it looks like a connection string; give the host alone, and the rest in dbPort, dbName and dbUser"
	case strings.ContainsAny(host, `/\`):
		return "it holds a path; give the host alone, and the database in dbName"
	case strings.Contains(host, ","):
		return "it names several hosts; give one"
	case strings.ContainsFunc(host, unicode.IsSpace):
		return "it holds blanks"
	case strings.Contains(host, ":"):
		return "it holds a colon; a port is a number, and an IPv6 address stands in brackets before one"
	case strings.ContainsFunc(host, func(r rune) bool { return r > unicode.MaxASCII }):
		return "it is not ASCII; give the form that begins with xn--"
	}
	return "its labels may have 63 letters, digits, hyphens and underscores each"
}

// validHost accepts DNS names in ASCII form, with the underscore that private
// zones use.
func validHost(host string) bool {
	if len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

func validIdentifier(name string) error {
	switch {
	case name == "":
		return errors.New("is missing")
	case len(name) > maxIdentifier:
		return fmt.Errorf("has %d bytes; PostgreSQL takes %d", len(name), maxIdentifier)
	case strings.ContainsRune(name, 0):
		return errors.New("contains a NUL")
	}
	return nil
}

// rootPool reads PEM certificates, with whatever text stands around them. A
// private key beside them is refused: the document is readable to the room, and
// a root's key would let its holder stand in for the server.
func rootPool(text string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	found := false
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("holds a PEM block %q; only certificates belong there", block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("holds a certificate that cannot be read: %w", err)
		}
		pool.AddCert(cert)
		found = true
	}
	if !found {
		return nil, errors.New("holds no PEM certificate; give its text, not a file name")
	}
	return pool, nil
}

// port is the port to connect to.
func (d *Document) port() uint16 {
	if d.Port == 0 {
		return DefaultPort
	}
	return uint16(d.Port)
}

// sslMode is the mode to connect with.
func (d *Document) sslMode() string {
	if d.SSLMode == "" {
		return sslVerifyFull
	}
	return d.SSLMode
}
