package ccf

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/cleanroom-go/sdk/internal/testpki"
)

// authority is the certificate authority of one contract.
type authority struct {
	request int
	// made is the request that key and cert were made for; 0 before.
	made int
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

var authorityTable = table[authority]("contract_authorities")

func applyEnableCA(a *applying, args any) error {
	id, _ := textField(args, "contractId")
	if _, enabled := authorityTable.get(a.tx, id); !enabled {
		authorityTable.put(a.tx, id, authority{request: 1})
	}
	return nil
}

func validateRotateCA(x *tx, args any) error {
	if err := acceptedContract(x, args, "Rotating the CA signing key"); err != nil {
		return err
	}
	id, _ := textField(args, "contractId")
	if _, enabled := authorityTable.get(x, id); !enabled {
		return throw("Error: CA has not been enabled for contract '%s'.", id)
	}
	return nil
}

func applyRotateCA(a *applying, args any) error {
	id, _ := textField(args, "contractId")
	ca, _ := authorityTable.get(a.tx, id)
	ca.request++
	authorityTable.put(a.tx, id, ca)
	return nil
}

func (c *call) authorityStatus() (any, error) {
	ca, enabled := authorityTable.get(c.tx, c.params[0])
	status := obj("enabled", enabled, "proposalIds", openForContract(c.tx, "enable_ca", c.params[0]))
	if ca.made != 0 {
		der, err := x509.MarshalPKIXPublicKey(ca.key.Public())
		if err != nil {
			return nil, throw("Error: %v", err)
		}
		status.set("caCert", string(testpki.PEM(ca.cert)))
		status.set("publicKey", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
	}
	return status, nil
}

const day = 24 * time.Hour

// generateAuthority makes at most one key for each request id.
func (c *call) generateAuthority() (any, error) {
	id := c.params[0]
	ca, enabled := authorityTable.get(c.tx, id)
	if !enabled {
		return nil, failure(http.StatusMethodNotAllowed, "CANotEnabled", "CA support has not been enabled for this contract.")
	}
	if ca.made != ca.request {
		key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		if err != nil {
			return nil, throw("Error: %v", err)
		}
		now := c.now()
		t := &x509.Certificate{
			Subject:   pkix.Name{CommonName: "Azure Clean Room CA"},
			NotBefore: now, NotAfter: now.Add(100 * day),
			IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		}
		if ca.cert, err = testpki.Sign(t, key.Public(), t, key); err != nil {
			return nil, throw("Error: %v", err)
		}
		ca.key, ca.made = key, ca.request
		authorityTable.put(c.tx, id, ca)
	}
	return obj("requestId", fmt.Sprint(ca.made)), nil
}

// endorse issues a certificate to an attested clean room.
func (c *call) endorse() (any, error) {
	body, err := c.encryptedCall()
	if err != nil {
		return nil, err
	}
	key, err := c.attestedKey(body, c.params[0], delegate{"ca", "endorsed-cert"})
	if err != nil {
		return nil, err
	}
	content, err := signedData(body)
	if err != nil {
		return nil, err
	}
	ca, _ := authorityTable.get(c.tx, c.params[0])
	if ca.made == 0 {
		return nil, failure(http.StatusNotFound, "NoCASigningKey", "Cannot generate endorsed certificate as there is no CA signing key for this contract.")
	}
	request, err := parseJSON(content)
	if err != nil {
		return nil, err
	}
	cert, err := ca.issue(request, c.now())
	if err != nil {
		return nil, err
	}
	plain, err := encodeJSON(obj("cert", string(testpki.PEM(cert))))
	if err != nil {
		return nil, throw("Error: %v", err)
	}
	return wrapped(key, plain)
}

// issue makes the certificate that the request describes.
func (ca authority) issue(request any, now time.Time) (*x509.Certificate, error) {
	publicKey, _ := textField(request, "publicKey")
	block, _ := pem.Decode([]byte(publicKey))
	if block == nil {
		return nil, throw("Error: publicKey is not PEM")
	}
	pub, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, throw("Error: %v", err)
	}
	subject, _ := textField(request, "subjectName")
	name, ok := strings.CutPrefix(subject, "CN=")
	days, okDays := field(request, "validityPeriodDays").(float64)
	if !ok || !okDays || days < 1 || days > 3650 {
		return nil, throw("Error: the certificate needs subjectName CN=... and validityPeriodDays")
	}
	t := &x509.Certificate{
		Subject:   pkix.Name{CommonName: name},
		NotBefore: now, NotAfter: now.Add(time.Duration(days) * day),
		BasicConstraintsValid: true,
	}
	names, ok := field(request, "subjectAlternateNames").([]any)
	if !ok {
		return nil, throw("TypeError: subjectAlternateNames is not iterable")
	}
	for _, n := range names {
		text := display(n)
		if host, ok := strings.CutPrefix(text, "dNSName:"); ok {
			t.DNSNames = append(t.DNSNames, host)
		} else if ip := net.ParseIP(strings.TrimPrefix(text, "iPAddress:")); ip != nil && strings.HasPrefix(text, "iPAddress:") {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			return nil, throw("Error: unsupported subject alternate name %s", text)
		}
	}
	cert, err := testpki.Sign(t, pub, ca.cert, ca.key)
	if err != nil {
		return nil, throw("Error: %v", err)
	}
	return cert, nil
}
