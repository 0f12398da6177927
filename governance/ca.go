package governance

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
)

// CAClient acts on the certificate authority that the service keeps for the
// clean rooms of one contract. Its key is made inside the service and stays
// there; rooms get certificates from it with [RoomClient.EndorsedCertificate].
// The shapes are those of release 8.0.0.
type CAClient struct{ k *ContractClient }

// CA gives the handle; nothing is asked yet.
func (c *ContractClient) CA() *CAClient { return &CAClient{c} }

// EnableCA gives an accepted contract a certificate authority. Its key is made
// by [CAClient.GenerateSigningKey], not by the vote.
func EnableCA(contractID string) Action {
	return Action{"enable_ca", contractArgs{contractID}}
}

// RotateCASigningKey lets the next [CAClient.GenerateSigningKey] make another
// key. Certificates of the old one then no longer verify against the authority.
func RotateCASigningKey(contractID string) Action {
	return Action{"ca_enable_rotate_signing_key", contractArgs{contractID}}
}

// ProposeEnable proposes [EnableCA].
func (a *CAClient) ProposeEnable(ctx context.Context) (*Proposal, error) {
	return a.k.c.Propose(ctx, EnableCA(a.k.id))
}

// ProposeRotation proposes [RotateCASigningKey].
func (a *CAClient) ProposeRotation(ctx context.Context) (*Proposal, error) {
	return a.k.c.Propose(ctx, RotateCASigningKey(a.k.id))
}

// GenerateSigningKey makes the authority's key (P-384) and its self-signed
// certificate of 100 days inside the service, and returns the number of the
// request that the members accepted. Doing it again for the same request keeps
// the key. Before the authority is enabled the error has the code CANotEnabled.
func (a *CAClient) GenerateSigningKey(ctx context.Context) (requestID string, err error) {
	op := a.k.op("generate the signing key of the CA of")
	path, err := contractPath(a.k.id)
	if err != nil {
		return "", err
	}
	answer, _, err := a.k.c.wire.write(ctx, call{op: op, method: http.MethodPost, path: path + "/ca/generateSigningKey"})
	if err != nil {
		return "", err
	}
	var doc struct {
		RequestID string `json:"requestId"`
	}
	if err := answer.json(op, &doc); err != nil {
		return "", err
	}
	return doc.RequestID, nil
}

// CAInfo is the state of a contract's certificate authority.
type CAInfo struct {
	// Enabled says that a proposal of [EnableCA] was accepted.
	Enabled bool
	// CertificatePEM is the authority's certificate, nil until its key was
	// generated. Rooms need it to know their own certificates, and their peers
	// to know the rooms.
	CertificatePEM []byte
	// ProposalIDs are the open proposals to enable it.
	ProposalIDs []string
}

// Info reads the state of the authority. A certificate that is no authority's,
// or does not belong to the key beside it, is an error.
func (a *CAClient) Info(ctx context.Context) (*CAInfo, error) {
	op := a.k.op("read the CA of")
	path, err := contractPath(a.k.id)
	if err != nil {
		return nil, err
	}
	var raw json.RawMessage
	if err := a.k.c.wire.post(ctx, op, path+"/ca/status", &raw); err != nil {
		return nil, err
	}
	info, err := parseCAInfo(raw)
	if err != nil {
		return nil, fmt.Errorf("governance: %s: %w", op, err)
	}
	return info, nil
}

func parseCAInfo(b []byte) (*CAInfo, error) {
	var doc struct {
		Enabled     bool     `json:"enabled"`
		CACert      string   `json:"caCert"`
		PublicKey   string   `json:"publicKey"`
		ProposalIDs []string `json:"proposalIds"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		return nil, err
	}
	info := &CAInfo{Enabled: doc.Enabled, ProposalIDs: doc.ProposalIDs}
	if doc.CACert == "" {
		return info, nil
	}
	cert, err := parseAuthority([]byte(doc.CACert))
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode([]byte(doc.PublicKey))
	if block == nil {
		return nil, errors.New("the authority's public key is no PEM")
	}
	pub, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the authority's public key: %w", err)
	}
	if !samePublicKey(cert.PublicKey, pub) {
		return nil, errors.New("the authority's certificate has another key than the service says")
	}
	info.CertificatePEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
	return info, nil
}

// parseAuthority reads the certificate of an authority that signed itself.
func parseAuthority(b []byte) (*x509.Certificate, error) {
	certs, err := parseCertificates(b)
	if err != nil {
		return nil, fmt.Errorf("certificate authority: %w", err)
	}
	if len(certs) != 1 {
		return nil, fmt.Errorf("certificate authority: %d certificates, want one", len(certs))
	}
	if !certs[0].IsCA {
		return nil, errors.New("certificate authority: the certificate is not one of an authority")
	}
	if err := certs[0].CheckSignatureFrom(certs[0]); err != nil {
		return nil, fmt.Errorf("certificate authority: the certificate is not self-signed: %w", err)
	}
	return certs[0], nil
}

func samePublicKey(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}
