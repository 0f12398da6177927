// Package keywrap holds the two key wrapping schemes of clean rooms: AES Key
// Wrap with Padding (RFC 5649) and the RSA-OAEP plus AES-KWP combination that
// Key Vault, Managed HSM and CCF answer with (PKCS #11 CKM_RSA_AES_KEY_WRAP).
package keywrap

import (
	"crypto/aes"
	"crypto/subtle"
	"encoding/binary"
	"errors"
)

// ErrUnwrap is the one error of every failed unwrap, whatever the reason, so
// that a peer who can try inputs learns nothing from the answer.
var ErrUnwrap = errors.New("keywrap: unwrap failed")

// alternative initial value of RFC 5649, section 3.
const aiv = 0xA65959A6

// MaxPlaintext bounds the plaintext of WrapKWP: the length field has 32 bits;
// a key or token never comes near this, so an int never overflows.
const MaxPlaintext = 1 << 30

// WrapKWP wraps 1 to MaxPlaintext bytes under a 16, 24 or 32 byte key
// (RFC 5649). The result is 8 bytes longer than the plaintext rounded up to a
// multiple of 8.
func WrapKWP(kek, plaintext []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	if len(plaintext) == 0 || len(plaintext) > MaxPlaintext {
		return nil, errors.New("keywrap: plaintext must have 1 to 2^30 bytes")
	}
	n := (len(plaintext) + 7) / 8
	out := make([]byte, 8+8*n)
	binary.BigEndian.PutUint32(out, aiv)
	binary.BigEndian.PutUint32(out[4:], uint32(len(plaintext)))
	copy(out[8:], plaintext)
	if n == 1 {
		block.Encrypt(out, out)
		return out, nil
	}
	var buf [16]byte
	copy(buf[:8], out)
	for j := range 6 {
		for i := 1; i <= n; i++ {
			copy(buf[8:], out[8*i:8*i+8])
			block.Encrypt(buf[:], buf[:])
			t := binary.BigEndian.Uint64(buf[:8]) ^ uint64(n*j+i)
			binary.BigEndian.PutUint64(buf[:8], t)
			copy(out[8*i:], buf[8:])
		}
	}
	copy(out, buf[:8])
	return out, nil
}

// UnwrapKWP opens what WrapKWP made. Every failure is ErrUnwrap; the check
// value, the length and the padding are compared without early exit.
func UnwrapKWP(kek, ciphertext []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	if len(ciphertext) < 16 || len(ciphertext)%8 != 0 || len(ciphertext) > MaxPlaintext+8 {
		return nil, ErrUnwrap
	}
	n := len(ciphertext)/8 - 1
	out := append([]byte(nil), ciphertext...)
	if n == 1 {
		block.Decrypt(out, out)
	} else {
		var buf [16]byte
		copy(buf[:8], out)
		for j := 5; j >= 0; j-- {
			for i := n; i >= 1; i-- {
				t := binary.BigEndian.Uint64(buf[:8]) ^ uint64(n*j+i)
				binary.BigEndian.PutUint64(buf[:8], t)
				copy(buf[8:], out[8*i:8*i+8])
				block.Decrypt(buf[:], buf[:])
				copy(out[8*i:], buf[8:])
			}
		}
		copy(out, buf[:8])
	}

	var want [4]byte
	binary.BigEndian.PutUint32(want[:], aiv)
	ok := subtle.ConstantTimeCompare(out[:4], want[:])
	// pad = 8n - length must be 0..7. With n below 2^27 both sides fit an int64.
	pad := int64(8*n) - int64(binary.BigEndian.Uint32(out[4:8]))
	ok &= subtle.ConstantTimeEq(int32(pad>>3), 0)
	p := int(pad & 7)
	var sum byte
	tail := out[len(out)-7:]
	for i, b := range tail {
		// tail[i] is padding when fewer than p bytes follow it.
		sum |= b & byte(-subtle.ConstantTimeLessOrEq(7-i, p))
	}
	ok &= subtle.ConstantTimeByteEq(sum, 0)
	if ok != 1 {
		clear(out)
		return nil, ErrUnwrap
	}
	return out[8 : 8+8*n-p], nil
}
