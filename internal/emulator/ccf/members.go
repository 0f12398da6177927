package ccf

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"net/http"
)

const (
	statusAccepted = "Accepted"
	statusActive   = "Active"
)

const (
	roleNone        = "NonParticipant"
	roleParticipant = "Participant"
	roleOwner       = "Owner"
)

type member struct {
	cert          *x509.Certificate
	certPEM       string
	data          any
	encryptionKey string
	recoveryRole  string
	status        string
}

var (
	memberTable = table[member]("members")
	digestTable = table[string]("state_digests")
)

func parseCertificate(text string) (*x509.Certificate, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, throw("InternalError: Failed to parse PEM: not a certificate")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, throw("InternalError: Failed to parse PEM: %v", err)
	}
	return cert, nil
}

func parseRSAPublicKey(text string) (*rsa.PublicKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, throw("Error: not a public key in PEM")
	}
	pub, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, throw("Error: %v", err)
	}
	key, ok := pub.(*rsa.PublicKey)
	if !ok {
		return nil, throw("Error: need an RSA public key, not %T", pub)
	}
	return key, nil
}

// addMember writes a member as Accepted, also one that was Active, and stores
// a digest for it to acknowledge.
func addMember(x *tx, certPEM string, data any, encryptionKey, role string) error {
	cert, err := parseCertificate(certPEM)
	if err != nil {
		return err
	}
	if role == "" {
		role = roleNone
		if encryptionKey != "" {
			role = roleParticipant
		}
	}
	id := memberID(cert)
	memberTable.put(x, id, member{cert: cert, certPEM: certPEM, data: data, encryptionKey: encryptionKey, recoveryRole: role, status: statusAccepted})
	digestTable.put(x, id, hex.EncodeToString(x.store.root[:]))
	return nil
}

func (m member) recovers() bool { return m.encryptionKey != "" && m.recoveryRole != roleNone }

// Roles in the member data.

func (m member) isOperator() bool         { return truthy(field(m.data, "isOperator")) }
func (m member) isRecoveryOperator() bool { return truthy(field(m.data, "isRecoveryOperator")) }
func (m member) hasRole(name string) bool { return field(field(m.data, "cgsRoles"), name) == "true" }
func (m member) isCGSOperator() bool      { return m.hasRole("cgsOperator") }
func (m member) isContractOperator() bool { return m.hasRole("contractOperator") }

// counts reports whether the member's vote belongs to unanimity.
func (m member) counts() bool {
	return !m.isOperator() && !m.isRecoveryOperator() && !m.isCGSOperator() && !m.isContractOperator()
}

func (m member) describe(id string) *object {
	var key any = undefined
	if m.encryptionKey != "" {
		key = m.encryptionKey
	}
	return obj("certificate", m.certPEM, "memberData", m.data, "memberId", id,
		"publicEncryptionKey", key, "recoveryRole", m.recoveryRole, "status", m.status)
}

func (c *call) listMembers() (any, error) {
	list := []any{}
	for _, id := range memberTable.keys(c.tx) {
		m, _ := memberTable.get(c.tx, id)
		list = append(list, m.describe(id))
	}
	return obj("value", list), nil
}

func (c *call) showMember() (any, error) {
	id, err := c.entityID(0, "member")
	if err != nil {
		return nil, err
	}
	m, ok := memberTable.get(c.tx, id)
	if !ok {
		return nil, failure(http.StatusNotFound, "ResourceNotFound", "No member with ID "+id+".")
	}
	return m.describe(id), nil
}

func isEntityID(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 32
}

// entityID is a path parameter that must be 64 hex digits.
func (c *call) entityID(param int, kind string) (string, error) {
	id := c.params[param]
	if !isEntityID(id) {
		return "", badRequest("InvalidResourceName", "'"+id+"' is not a valid hex-encoded "+kind+" ID")
	}
	return id, nil
}

func digestAnswer(id, digest string) *object { return obj("memberId", id, "stateDigest", digest) }

func (c *call) showDigest() (any, error) {
	id, err := c.entityID(0, "member")
	if err != nil {
		return nil, err
	}
	digest, ok := digestTable.get(c.tx, id)
	if !ok {
		return nil, failure(http.StatusNotFound, "ResourceNotFound", "No ACK record exists for member "+id+".")
	}
	return digestAnswer(id, digest), nil
}

// ownID is the member id in the path, which must be the signer's.
func (c *call) ownID() (string, error) {
	id, err := c.entityID(0, "member")
	if err != nil {
		return "", err
	}
	if id != c.message.KeyID {
		return "", badRequest("InvalidAuthenticationInfo", "Member ID from path parameter ("+id+") does not match member ID from body signature ("+c.message.KeyID+").")
	}
	return id, nil
}

func (c *call) updateDigest() (any, error) {
	id, err := c.ownID()
	if err != nil {
		return nil, err
	}
	digest := hex.EncodeToString(c.store.root[:])
	digestTable.put(c.tx, id, digest)
	return digestAnswer(id, digest), nil
}

func (c *call) acknowledge() (any, error) {
	id, err := c.ownID()
	if err != nil {
		return nil, err
	}
	stored, ok := digestTable.get(c.tx, id)
	if !ok {
		return nil, failure(http.StatusForbidden, "AuthorizationFailed", "No ACK record exists for caller "+id+".")
	}
	payload, err := parseJSON(c.message.Payload)
	given, ok := textField(payload, "stateDigest")
	if err != nil || !ok {
		return nil, badRequest("InvalidInput", "The payload must be a JSON object with the text stateDigest.")
	}
	if given != stored {
		return nil, badRequest("StateDigestMismatch", "Submitted state digest is not valid.\nExpected\n "+stored+"\nReceived\n "+given)
	}
	m := c.message.signer
	m.status = statusActive
	memberTable.put(c.tx, id, m)
	// The acknowledgement is kept, so a repeated one is a write too.
	digestTable.put(c.tx, id, stored)
	c.status = http.StatusNoContent
	return nil, nil
}
