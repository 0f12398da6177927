package ccf

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"

	"github.com/cleanroom-go/sdk/internal/testpki"
)

// tree is the Merkle tree over the ledger. The leaf of a transaction is made of
// the digest of what it wrote, of evidence that only the service can make, and
// of claims, of which this application attaches none.
type tree struct {
	secret [sha256.Size]byte
	leaves []leaf // of the transactions 1, 2, ...
	// signatures are the sequence numbers of the transactions that sign all
	// leaves before them, in order.
	signatures []uint64
}

type leaf struct {
	writes   [sha256.Size]byte
	evidence string
}

// noClaims is the digest of no claims.
var noClaims [sha256.Size]byte

func (t *tree) add(seqno uint64, writes [sha256.Size]byte) {
	mac := hmac.New(sha256.New, t.secret[:])
	fmt.Fprintf(mac, "%d.%d", view, seqno)
	t.leaves = append(t.leaves, leaf{writes, fmt.Sprintf("ce:%s:%x", transactionID(seqno), mac.Sum(nil))})
}

func (l leaf) digest() []byte {
	evidence := sha256.Sum256([]byte(l.evidence))
	sum := sha256.Sum256(slices.Concat(l.writes[:], evidence[:], noClaims[:]))
	return sum[:]
}

// path gives the root over the leaves, and the way there from the nth of them:
// each step is on the left or the right of what was reached before.
func path(leaves []leaf, n int) (root []byte, steps []any) {
	if len(leaves) == 1 {
		return leaves[0].digest(), []any{}
	}
	// The left side is the largest full tree that leaves something for the right.
	left := 1
	for left*2 < len(leaves) {
		left *= 2
	}
	join := func(a, b []byte) []byte {
		sum := sha256.Sum256(slices.Concat(a, b))
		return sum[:]
	}
	if n < left {
		inner, steps := path(leaves[:left], n)
		other, _ := path(leaves[left:], 0)
		return join(inner, other), append(steps, obj("right", hex.EncodeToString(other)))
	}
	inner, steps := path(leaves[left:], n-left)
	other, _ := path(leaves[:left], 0)
	return join(other, inner), append(steps, obj("left", hex.EncodeToString(other)))
}

// receipt is GET /app/receipt?transaction_id=. As for other questions about the
// past, the first is told to come back.
func (c *call) receipt() (any, error) {
	id, _ := c.query("transaction_id")
	status, err := c.statusOf(id)
	if err != nil {
		return nil, failure(http.StatusNotFound, "TransactionInvalid", "Could not extract Transaction Id")
	}
	reason := "Only committed transactions can be queried. Transaction " + id + " is " + status
	switch status {
	case "Invalid":
		return nil, failure(http.StatusNotFound, "TransactionInvalid", reason)
	case "Pending", "Unknown":
		c.header.Set("cache-control", "no-cache")
		return nil, failure(http.StatusNotFound, "TransactionPendingOrUnknown", reason)
	}
	if handle := "receipt " + id; !c.loaded[handle] {
		c.loaded[handle] = true
		c.status = http.StatusAccepted
		c.header.Set("retry-after", "3")
		return text{"text/plain", []byte("Historical transaction " + id + " is not currently available.")}, nil
	}
	var seqno uint64
	if _, err := fmt.Sscanf(id, "2.%d", &seqno); err != nil || seqno == 0 {
		return nil, failure(http.StatusNotFound, "TransactionInvalid", reason)
	}
	return c.receiptOf(seqno)
}

func (c *call) receiptOf(seqno uint64) (any, error) {
	t := &c.store.tree
	at, signs := slices.BinarySearch(t.signatures, seqno)
	out := obj("cert", string(testpki.PEM(c.nodeCert)))
	steps := []any{}
	var root []byte
	if signs {
		root, _ = path(t.leaves[:seqno-1], 0)
		out.set("leaf", hex.EncodeToString(root))
	} else {
		root, steps = path(t.leaves[:t.signatures[at]-1], int(seqno-1))
		l := t.leaves[seqno-1]
		out.set("leaf_components", obj("claims_digest", hex.EncodeToString(noClaims[:]), "commit_evidence", l.evidence, "write_set_digest", hex.EncodeToString(l.writes[:])))
	}
	signature, err := ecdsa.SignASN1(rand.Reader, c.nodeKey, root)
	if err != nil {
		return nil, err
	}
	out.set("node_id", c.nodeID)
	out.set("proof", steps)
	out.set("signature", base64.StdEncoding.EncodeToString(signature))
	return out, nil
}
