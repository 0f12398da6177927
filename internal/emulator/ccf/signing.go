package ccf

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
)

// The signing service is made like the OIDC issuer, with a key of its own.
var (
	signingTable    = table[issuer]("signing")
	signingKeyTable = table[issuerKey]("signing_key")
)

func applyEnableSigning(a *applying, args any) error {
	if s, _ := signingTable.get(a.tx, ""); !s.enabled {
		kid, _ := textField(args, "kid")
		signingTable.put(a.tx, "", issuer{enabled: true, kid: kid, request: 1})
	}
	return nil
}

func applyRotateSigning(a *applying, _ any) error {
	if s, _ := signingTable.get(a.tx, ""); s.enabled {
		s.request++
		signingTable.put(a.tx, "", s)
	}
	return nil
}

// generateSigningKey makes at most one key for each request id.
func (c *call) generateSigningKey() (any, error) {
	s, _ := signingTable.get(c.tx, "")
	if !s.enabled {
		return nil, failure(http.StatusMethodNotAllowed, "SigningNotEnabled", "Signing support has not been enabled.")
	}
	kid := fmt.Sprintf("%s-%d", s.kid, s.request)
	if k, ok := signingKeyTable.get(c.tx, ""); !ok || k.kid != kid {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, throw("Error: %v", err)
		}
		signingKeyTable.put(c.tx, "", issuerKey{kid, key})
	}
	return obj("reqId", fmt.Sprint(s.request), "kid", kid), nil
}

func (c *call) signingInfo() (any, error) {
	s, _ := signingTable.get(c.tx, "")
	public := ""
	if k, ok := signingKeyTable.get(c.tx, ""); ok {
		der, err := x509.MarshalPKIXPublicKey(k.key.Public())
		if err != nil {
			return nil, throw("Error: %v", err)
		}
		public = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	}
	return obj("enabled", s.enabled, "publicKeyPem", public), nil
}

// signPayload signs whatever an attested room sends.
func (c *call) signPayload() (any, error) {
	body, err := c.encryptedCall()
	if err != nil {
		return nil, err
	}
	payload := field(body, "payload")
	if !truthy(payload) {
		return nil, badRequest("PayloadMissing", "Payload to sign must be supplied.")
	}
	text, ok := payload.(string)
	content, err := decodeBase64(text)
	if !ok || err != nil {
		return nil, badRequest("PayloadInvalid", "Payload must be a valid base64 encoded string.")
	}
	key, err := c.attestedKey(body, c.params[0], delegate{"podpolicies", "admin"})
	if err != nil {
		return nil, err
	}
	signer, ok := signingKeyTable.get(c.tx, "")
	if !ok {
		return nil, failure(http.StatusMethodNotAllowed, "SigningKeyNotAvailable", "Propose enable_signing and generate signing key before attempting to sign.")
	}
	digest := sha256.Sum256(content)
	signature, err := rsa.SignPSS(rand.Reader, signer.key, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: 32})
	if err != nil {
		return nil, throw("Error: %v", err)
	}
	return wrapped(key, []byte(base64.StdEncoding.EncodeToString(signature)))
}
