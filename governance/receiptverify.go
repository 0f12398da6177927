package governance

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
)

// VerifyReceiptOptions may be nil.
type VerifyReceiptOptions struct {
	// TransactionID is the transaction that the receipt must be about; empty
	// takes any. For an accepted contract it is the contract's version.
	TransactionID string
	// ClaimsDigest, if it is not nil, is what the application is known to have
	// attached.
	ClaimsDigest *[sha256.Size]byte
}

// ReceiptResult is what a verified receipt says.
type ReceiptResult struct {
	// TransactionID is in the ledger of the service.
	TransactionID string
	// Leaf stands for the transaction in the tree whose root the node signed.
	Leaf, Root [sha256.Size]byte
	// Checks are all that was looked at, in order.
	Checks []Check
}

var (
	errNotSigned   = errors.New("the signature is of another key or root")
	errNotEndorsed = errors.New("the service did not sign it")
)

// Verify checks that a node of the service signed the receipt: the leaf is made
// of its parts, the path leads to the root, the node's key signed the root, and
// the service's certificate vouches for the node, directly or through the
// certificates of its earlier identities. Anything else is a [*DeniedError],
// beside the result.
//
// A receipt says that a transaction is in the ledger for good. What it wrote is
// known by digest alone. Dates are not looked at: a receipt outlives the node's
// certificate.
func (r *Receipt) Verify(serviceCertificate []byte, opts *VerifyReceiptOptions) (*ReceiptResult, error) {
	service, err := parseCertificates(serviceCertificate)
	if err != nil {
		return nil, fmt.Errorf("governance: verify receipt: service certificate: %w", err)
	}
	var o VerifyReceiptOptions
	if opts != nil {
		o = *opts
	}
	out := &ReceiptResult{TransactionID: r.TransactionID, Leaf: r.leafDigest()}
	out.Root = r.root(out.Leaf)
	if o.TransactionID != "" {
		out.Checks = append(out.Checks, equalCheck("receipt.transaction", o.TransactionID, r.TransactionID,
			"it is a receipt for something else; ask for the one of the transaction"))
	}
	if o.ClaimsDigest != nil {
		out.Checks = append(out.Checks, equalCheck("receipt.claims", hex.EncodeToString(o.ClaimsDigest[:]), hex.EncodeToString(r.ClaimsDigest[:]),
			"the application attached other claims"))
	}
	node := sha256.Sum256(r.Certificate.RawSubjectPublicKeyInfo)
	out.Checks = append(out.Checks,
		equalCheck("receipt.node", r.NodeID, hex.EncodeToString(node[:]), "the certificate is not that of the node; ask another node for a receipt"),
		r.signatureCheck(out.Root),
		r.endorsementCheck(service),
	)
	return out, denied("verify "+r.String(), "this program", out.Checks, nil)
}

// leafDigest is of the transaction.
func (r *Receipt) leafDigest() [sha256.Size]byte {
	if r.evidence == "" {
		return r.leaf
	}
	evidence := sha256.Sum256([]byte(r.evidence))
	parts := append(r.WriteSetDigest[:len(r.WriteSetDigest):len(r.WriteSetDigest)], evidence[:]...)
	if !r.noClaims {
		parts = append(parts, r.ClaimsDigest[:]...)
	}
	return sha256.Sum256(parts)
}

// root is where the proof leads from the leaf.
func (r *Receipt) root(leaf [sha256.Size]byte) [sha256.Size]byte {
	at := leaf
	for _, step := range r.proof {
		var both [2 * sha256.Size]byte
		if step.left {
			copy(both[:], step.hash[:])
			copy(both[sha256.Size:], at[:])
		} else {
			copy(both[:], at[:])
			copy(both[sha256.Size:], step.hash[:])
		}
		at = sha256.Sum256(both[:])
	}
	return at
}

// signatureCheck: the root is signed as it is, as the digest of a message.
func (r *Receipt) signatureCheck(root [sha256.Size]byte) Check {
	c := Check{ID: "receipt.signature", Want: "a signature of node " + short(r.NodeID) + " over the root " + hex.EncodeToString(root[:]), Got: "a signature that does not verify"}
	key, ok := r.Certificate.PublicKey.(*ecdsa.PublicKey)
	if ok && ecdsa.VerifyASN1(key, root[:], r.signature) {
		c.Got = c.Want
		return c
	}
	c.Err = errNotSigned
	c.Remedy = "the receipt was changed, or is damaged; ask for it again"
	return c
}

// endorsementCheck follows the signatures from the node to one of the service's
// certificates. It looks at keys alone: the names in these certificates are the
// same for every node and service.
func (r *Receipt) endorsementCheck(services []*x509.Certificate) Check {
	c := Check{ID: "receipt.endorsement", Got: "a node that it did not sign"}
	for _, service := range services {
		c.Want = "a node of the service with certificate " + certificateDigest(service)
		if r.endorsedBy(service) {
			c.Got = c.Want
			return c
		}
	}
	c.Err = errNotEndorsed
	c.Remedy = "it is a receipt of another service, or of an identity before the last disaster recovery: ask for it again, then it names the earlier identities"
	return c
}

func (r *Receipt) endorsedBy(service *x509.Certificate) bool {
	at := r.Certificate
	for _, next := range append(r.endorsements[:len(r.endorsements):len(r.endorsements)], service) {
		if _, ok := next.PublicKey.(*ecdsa.PublicKey); !ok || next.CheckSignature(at.SignatureAlgorithm, at.RawTBSCertificate, at.Signature) != nil {
			return false
		}
		at = next
	}
	return true
}

func certificateDigest(c *x509.Certificate) string { return short(MemberID(c)) }

// Receipt asks for the receipt of a committed transaction, as a contract's
// version names one, and waits while the service fetches it from its ledger. It
// checks that the receipt is about the transaction and was signed by the service
// that the client is pinned to. A transaction that is not committed yet has the
// code TransactionPendingOrUnknown; one that never will be, TransactionInvalid.
func (c *Client) Receipt(ctx context.Context, transactionID string) (_ *Receipt, err error) {
	ctx, end := c.wire.tracer.Start(ctx, "Receipt")
	defer end(&err)
	op := "get receipt of transaction " + cut(transactionID, 40)
	if err := checkTransactionID(transactionID); err != nil {
		return nil, fmt.Errorf("governance: %s: %w", op, err)
	}
	a, err := c.wire.fetched(ctx, call{op: op, method: http.MethodGet, path: "/app/receipt", query: "transaction_id=" + transactionID})
	if err != nil {
		return nil, err
	}
	r, err := parseReceipt(a.body)
	if err != nil {
		return nil, fmt.Errorf("governance: %s: %w", op, err)
	}
	if _, err := r.Verify(c.wire.pin.pem, &VerifyReceiptOptions{TransactionID: transactionID}); err != nil {
		return nil, err
	}
	return r, nil
}
