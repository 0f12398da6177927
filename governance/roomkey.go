package governance

import (
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
)

// NewRoomClientWithEvidence makes a client of a key and of evidence that were
// made for one another before, for instance by a sidecar that hands out both.
// Where the program itself can get evidence, [NewRoomClient] is better: its key
// never existed anywhere else. The key has 2048 bits, and the evidence names its
// public half in PEM, with or without a final line feed.
func NewRoomClientWithEvidence(endpoint, contractID string, key *rsa.PrivateKey, evidence *Evidence, opts *RoomClientOptions) (*RoomClient, error) {
	const op = "room client"
	if key == nil || evidence == nil {
		return nil, errors.New("governance: " + op + ": it needs a key and evidence for the key")
	}
	if bits := key.N.BitLen(); bits != roomKeyBits {
		return nil, fmt.Errorf("governance: %s: the key has %d bits, not %d", op, bits, roomKeyBits)
	}
	if err := checkID("contract id", contractID); err != nil {
		return nil, err
	}
	w, err := newWire(endpoint, nil, opts.member())
	if err != nil {
		return nil, err
	}
	public, err := publicPEM(&key.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("governance: %s: %w", op, err)
	}
	if withLineFeed := append(public[:len(public):len(public)], '\n'); evidence.names(withLineFeed) {
		public = withLineFeed
	}
	if err := checkEvidence(op, evidence, public); err != nil {
		return nil, err
	}
	r := &RoomClient{wire: w, contractID: contractID, key: key, publicPEM: public, attesting: make(chan struct{}, 1)}
	r.evidence.Store(evidence)
	return r, nil
}

// names reports whether the evidence was made for the runtime data.
func (e *Evidence) names(runtimeData []byte) bool {
	sum := sha256.Sum256(runtimeData)
	return len(e.Report) == reportSize && string(e.Report[offsetData:offsetData+len(sum)]) == string(sum[:])
}
