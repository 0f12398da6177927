package skr

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"math/big"
)

// transferKeyBits is what every reader of release responses expects.
const transferKeyBits = 2048

// transferKey is the key pair of one release. Its private half never leaves
// the process; its public half is bound into the report, so that the vault can
// encrypt to nobody else.
type transferKey struct {
	private     *rsa.PrivateKey
	id          string // RFC 7638 thumbprint
	runtimeData []byte
}

func newTransferKey() (*transferKey, error) {
	private, err := rsa.GenerateKey(rand.Reader, transferKeyBits)
	if err != nil {
		return nil, err
	}
	return transferKeyOf(private), nil
}

// transferKeyOf writes the key set that vaults read from the claim
// x-ms-runtime. Members are in alphabetical order, without blanks: RFC 7638
// wants that for the thumbprint, and the exact bytes are hashed into the report.
func transferKeyOf(private *rsa.PrivateKey) *transferKey {
	b64 := base64.RawURLEncoding.EncodeToString
	n := b64(private.N.Bytes())
	e := b64(big.NewInt(int64(private.E)).Bytes())
	sum := sha256.Sum256([]byte(`{"e":"` + e + `","kty":"RSA","n":"` + n + `"}`))
	id := b64(sum[:])
	return &transferKey{
		private:     private,
		id:          id,
		runtimeData: []byte(`{"keys":[{"e":"` + e + `","key_ops":["encrypt"],"kid":"` + id + `","kty":"RSA","n":"` + n + `"}]}`),
	}
}
