// Package keywrap holds the key wrapping schemes of clean rooms: AES Key Wrap
// with and without padding (RFC 5649 and RFC 3394), and the RSA-OAEP plus
// AES-KWP combination that Key Vault, Managed HSM and CCF answer with (PKCS #11
// CKM_RSA_AES_KEY_WRAP).
package keywrap

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
)

const (
	// aiv is the alternative initial value of RFC 5649, section 3.
	aiv = 0xA65959A6
	// iv is the initial value of RFC 3394, section 2.2.3.1.
	iv = 0xA6A6A6A6A6A6A6A6
)

// MaxPlaintext bounds the plaintext of a wrap: the length field of RFC 5649 has
// 32 bits; a key or token never comes near this, so an int never overflows.
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
	wrapBlocks(block, out)
	return out, nil
}

// UnwrapKWP opens what WrapKWP made. Every failure but a bad kek is
// [ErrUnwrap]; the check value, the length and the padding are compared without
// early exit.
func UnwrapKWP(kek, ciphertext []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	if len(ciphertext) < 16 || len(ciphertext)%8 != 0 || len(ciphertext) > MaxPlaintext+8 {
		return nil, &failure{BadLength}
	}
	out := append([]byte(nil), ciphertext...)
	if len(out) == 16 {
		block.Decrypt(out, out)
	} else {
		unwrapBlocks(block, out)
	}
	n, reason := checkKWP(out)
	if reason != NoReason {
		clear(out)
		return nil, &failure{reason}
	}
	return out[8 : 8+n], nil
}

// checkKWP returns the plaintext's length, and the first of the three checks
// that failed; all three are always made.
func checkKWP(out []byte) (int, Reason) {
	var want [4]byte
	binary.BigEndian.PutUint32(want[:], aiv)
	check := subtle.ConstantTimeCompare(out[:4], want[:])
	// pad = 8n - length must be 0..7. With n below 2^27 both sides fit an int64.
	size := len(out) - 8
	pad := int64(size) - int64(binary.BigEndian.Uint32(out[4:8]))
	length := subtle.ConstantTimeEq(int32(pad>>3), 0)
	p := int(pad & 7)
	var sum byte
	tail := out[len(out)-7:]
	for i, b := range tail {
		// tail[i] is padding when fewer than p bytes follow it.
		sum |= b & byte(-subtle.ConstantTimeLessOrEq(7-i, p))
	}
	padding := subtle.ConstantTimeByteEq(sum, 0)
	reason := subtle.ConstantTimeSelect(padding, int(NoReason), int(BadPadding))
	reason = subtle.ConstantTimeSelect(length, reason, int(BadPlainLength))
	reason = subtle.ConstantTimeSelect(check, reason, int(BadCheckValue))
	return size - p, Reason(reason)
}

// WrapKW wraps a multiple of 8 bytes, 16 or more, under a 16, 24 or 32 byte key
// (RFC 3394). The result is 8 bytes longer.
func WrapKW(kek, plaintext []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	if len(plaintext) < 16 || len(plaintext)%8 != 0 || len(plaintext) > MaxPlaintext {
		return nil, errors.New("keywrap: plaintext must have 16 to 2^30 bytes, a multiple of 8")
	}
	out := make([]byte, 8+len(plaintext))
	binary.BigEndian.PutUint64(out, iv)
	copy(out[8:], plaintext)
	wrapBlocks(block, out)
	return out, nil
}

// UnwrapKW opens what WrapKW made. Every failure but a bad kek is [ErrUnwrap].
func UnwrapKW(kek, ciphertext []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	if len(ciphertext) < 24 || len(ciphertext)%8 != 0 || len(ciphertext) > MaxPlaintext+8 {
		return nil, &failure{BadLength}
	}
	out := append([]byte(nil), ciphertext...)
	unwrapBlocks(block, out)
	var want [8]byte
	binary.BigEndian.PutUint64(want[:], iv)
	if subtle.ConstantTimeCompare(out[:8], want[:]) != 1 {
		clear(out)
		return nil, &failure{BadCheckValue}
	}
	return out[8:], nil
}

// UnwrapAES opens what WrapKWP or WrapKW made. The two cannot be taken for each
// other: the values that they check differ in the second byte.
func UnwrapAES(kek, ciphertext []byte) ([]byte, error) {
	plain, err := UnwrapKWP(kek, ciphertext)
	if ReasonOf(err) != BadCheckValue {
		return plain, err
	}
	if plain, kwErr := UnwrapKW(kek, ciphertext); kwErr == nil {
		return plain, nil
	}
	return nil, err
}

// wrapBlocks is the wrapping function W of RFC 3394, section 2.2.1, in place:
// buf is the initial value and at least two blocks of 8 bytes. Blocks are moved
// as arrays, which takes two instructions where copy is a call.
func wrapBlocks(block cipher.Block, buf []byte) {
	var b [16]byte
	a, r := (*[8]byte)(b[:8]), (*[8]byte)(b[8:])
	*a = [8]byte(buf)
	t := uint64(0)
	for range 6 {
		for i := 8; i < len(buf); i += 8 {
			*r = [8]byte(buf[i:])
			block.Encrypt(b[:], b[:])
			t++
			binary.BigEndian.PutUint64(a[:], binary.BigEndian.Uint64(a[:])^t)
			*(*[8]byte)(buf[i:]) = *r
		}
	}
	*(*[8]byte)(buf) = *a
}

// unwrapBlocks undoes wrapBlocks.
func unwrapBlocks(block cipher.Block, buf []byte) {
	var b [16]byte
	a, r := (*[8]byte)(b[:8]), (*[8]byte)(b[8:])
	*a = [8]byte(buf)
	t := uint64(6 * (len(buf)/8 - 1))
	for range 6 {
		for i := len(buf) - 8; i > 0; i -= 8 {
			binary.BigEndian.PutUint64(a[:], binary.BigEndian.Uint64(a[:])^t)
			t--
			*r = [8]byte(buf[i:])
			block.Decrypt(b[:], b[:])
			*(*[8]byte)(buf[i:]) = *r
		}
	}
	*(*[8]byte)(buf) = *a
}
