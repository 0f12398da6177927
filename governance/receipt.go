package governance

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Receipt is what a node signs about a transaction: that the ledger has it. It
// is believed once [Receipt.Verify] says so, which needs no connection.
//
// For a transaction that itself signs the ledger, a receipt is about the root
// of all before it; it has no transaction id and no digests.
type Receipt struct {
	// TransactionID is the one that the receipt reveals, <view>.<seqno>.
	TransactionID string
	// WriteSetDigest is the SHA-256 of what the transaction wrote, in the
	// encrypted form that the ledger's files have it in.
	WriteSetDigest [sha256.Size]byte
	// ClaimsDigest is of claims that an application attached to the transaction.
	// The governance service attaches none, which is all zeros.
	ClaimsDigest [sha256.Size]byte
	// NodeID is the SHA-256 of the signing node's public key.
	NodeID string
	// Certificate is the node's.
	Certificate *x509.Certificate

	raw          []byte
	evidence     string
	noClaims     bool
	leaf         [sha256.Size]byte // for a signature of the ledger
	proof        []proofStep
	signature    []byte
	endorsements []*x509.Certificate
}

// proofStep is a neighbour on the way from the leaf to the root.
type proofStep struct {
	left bool
	hash [sha256.Size]byte
}

// Bounds of a receipt. A ledger of 2^64 transactions has a path of 64 steps,
// and each disaster recovery adds one endorsement.
const (
	maxReceipt      = 1 << 20
	maxProof        = 64
	maxEndorsements = 64
)

// receiptDoc is the receipt as CCF 2.0 and later send it.
type receiptDoc struct {
	Cert           string `json:"cert"`
	Leaf           string `json:"leaf"`
	LeafComponents *struct {
		ClaimsDigest   *string `json:"claims_digest"`
		CommitEvidence string  `json:"commit_evidence"`
		WriteSetDigest string  `json:"write_set_digest"`
	} `json:"leaf_components"`
	NodeID string `json:"node_id"`
	Proof  []struct {
		Left  *string `json:"left"`
		Right *string `json:"right"`
	} `json:"proof"`
	ServiceEndorsements []string `json:"service_endorsements"`
	Signature           string   `json:"signature"`
}

// ParseReceipt reads a receipt in the JSON of CCF. Nothing of it is verified.
func ParseReceipt(text []byte) (*Receipt, error) {
	r, err := parseReceipt(text)
	if err != nil {
		return nil, fmt.Errorf("governance: receipt: %w", err)
	}
	return r, nil
}

func parseReceipt(text []byte) (*Receipt, error) {
	if len(text) > maxReceipt {
		return nil, fmt.Errorf("it is longer than %d bytes", maxReceipt)
	}
	var doc receiptDoc
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("it is not what a node sends: %w", err)
	}
	if len(doc.Proof) > maxProof || len(doc.ServiceEndorsements) > maxEndorsements {
		return nil, fmt.Errorf("it has %d steps and %d endorsements, more than %d and %d", len(doc.Proof), len(doc.ServiceEndorsements), maxProof, maxEndorsements)
	}
	r := &Receipt{raw: bytes.Clone(text), NodeID: strings.ToLower(doc.NodeID)}
	if !isDigest(r.NodeID) {
		return nil, fmt.Errorf("node id %q is not a SHA-256 in hex", cut(doc.NodeID, 80))
	}
	if err := r.readLeaf(&doc); err != nil {
		return nil, err
	}
	for i, step := range doc.Proof {
		p := proofStep{left: step.Left != nil}
		if (step.Left == nil) == (step.Right == nil) {
			return nil, fmt.Errorf("step %d of the proof has not one side", i)
		}
		side := step.Right
		if p.left {
			side = step.Left
		}
		if err := readDigest(fmt.Sprintf("step %d of the proof", i), *side, &p.hash); err != nil {
			return nil, err
		}
		r.proof = append(r.proof, p)
	}
	var err error
	if r.signature, err = base64.StdEncoding.DecodeString(doc.Signature); err != nil || len(r.signature) == 0 {
		return nil, errors.New("the signature is not base64")
	}
	if r.Certificate, err = oneCertificate(doc.Cert); err != nil {
		return nil, fmt.Errorf("certificate of the node: %w", err)
	}
	for i, text := range doc.ServiceEndorsements {
		c, err := oneCertificate(text)
		if err != nil {
			return nil, fmt.Errorf("endorsement %d: %w", i, err)
		}
		r.endorsements = append(r.endorsements, c)
	}
	return r, nil
}

func (r *Receipt) readLeaf(doc *receiptDoc) error {
	parts := doc.LeafComponents
	if parts == nil {
		if len(doc.Proof) > 0 {
			// Ledgers of before CCF 2.0, which revealed no transaction id.
			return errors.New("it does not say which transaction it is about")
		}
		return readDigest("leaf", doc.Leaf, &r.leaf)
	}
	if doc.Leaf != "" {
		return errors.New("it has a leaf and the components of one")
	}
	if err := readDigest("write set digest", parts.WriteSetDigest, &r.WriteSetDigest); err != nil {
		return err
	}
	if r.noClaims = parts.ClaimsDigest == nil; !r.noClaims {
		if err := readDigest("claims digest", *parts.ClaimsDigest, &r.ClaimsDigest); err != nil {
			return err
		}
	}
	// ce:<view>.<seqno>:<64 hex digits that only the service can know>
	fields := strings.Split(parts.CommitEvidence, ":")
	if len(fields) != 3 || fields[0] != "ce" || checkTransactionID(fields[1]) != nil || !isDigest(fields[2]) {
		return fmt.Errorf("commit evidence %q is not ce:<transaction id>:<hex>", cut(parts.CommitEvidence, 120))
	}
	r.evidence, r.TransactionID = parts.CommitEvidence, fields[1]
	return nil
}

func readDigest(what, text string, into *[sha256.Size]byte) error {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(into) {
		return fmt.Errorf("%s %q is not a SHA-256 in hex", what, cut(text, 80))
	}
	copy(into[:], b)
	return nil
}

func oneCertificate(text string) (*x509.Certificate, error) {
	certs, err := parseCertificates([]byte(text))
	if err != nil {
		return nil, err
	}
	if len(certs) != 1 {
		return nil, fmt.Errorf("there are %d certificates, not one", len(certs))
	}
	return certs[0], nil
}

// MarshalJSON is the receipt as it was read, to be kept beside what it is about.
func (r *Receipt) MarshalJSON() ([]byte, error) { return bytes.Clone(r.raw), nil }

// String names the transaction and the node.
func (r *Receipt) String() string {
	about := "transaction " + r.TransactionID
	if r.TransactionID == "" {
		about = "the ledger's root " + hex.EncodeToString(r.leaf[:8])
	}
	return "receipt for " + about + " by node " + short(r.NodeID)
}
