package skr

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"

	"github.com/cleanroom-go/sdk/internal/redact"
)

// The layout is documented at [Wrap].
const (
	hybridMagic  = "CRWRAP\x01\x01" // with version and suite
	hybridHeader = len(hybridMagic) + 2
	contentKey   = 32
	gcmOverhead  = 12 + 16 // nonce and tag
)

// hybridOverhead is what a KEK of that many bytes adds to a secret.
func hybridOverhead(size int) int { return hybridHeader + size + gcmOverhead }

// hybridHead fits every KEK: usableRSA allows at most 1024 bytes.
func hybridHead(size int) []byte {
	return binary.BigEndian.AppendUint16([]byte(hybridMagic), uint16(size))
}

func sealHybrid(pub *rsa.PublicKey, plaintext []byte) ([]byte, error) {
	key := make([]byte, contentKey)
	defer redact.Clear(key)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	head := hybridHead(pub.Size())
	wrappedKey, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, pub, key, head)
	if err != nil {
		return nil, err
	}
	aead, err := contentCipher(key)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, hybridOverhead(pub.Size())+len(plaintext))
	out = append(append(out, head...), wrappedKey...)
	return append(out, aead.Seal(nil, nil, plaintext, out)...), nil
}

// openHybrid takes values of at least hybridOverhead bytes. If RSA does not
// open, the work goes on with a key that nobody knows: the two failures that
// depend on the private key then cost the same.
func openHybrid(private *rsa.PrivateKey, wrapped []byte) ([]byte, UnwrapReason) {
	size := private.Size()
	head := hybridHead(size)
	if string(wrapped[:hybridHeader]) != string(head) {
		return nil, UnwrapPrefix
	}
	key := make([]byte, contentKey)
	defer redact.Clear(key)
	if _, err := rand.Read(key); err != nil {
		return nil, UnwrapKey
	}
	reason := UnwrapKey
	opened, err := rsa.DecryptOAEP(sha256.New(), nil, private, wrapped[hybridHeader:hybridHeader+size], head)
	if err == nil && len(opened) == contentKey {
		copy(key, opened)
		reason = UnwrapTag
	}
	redact.Clear(opened)
	aead, err := contentCipher(key)
	if err != nil {
		return nil, reason
	}
	plain, err := aead.Open(nil, nil, wrapped[hybridHeader+size:], wrapped[:hybridHeader+size])
	if err != nil {
		return nil, reason
	}
	return plain, ""
}

// contentCipher puts its nonce before the text that it seals.
func contentCipher(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
