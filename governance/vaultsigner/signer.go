package vaultsigner

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/cleanroom-go/sdk/internal/transport"
)

// defaultTimeout fits into the ten seconds that a governance client gives a TLS
// handshake, in which the key signs too.
const defaultTimeout = 8 * time.Second

// Options configures the way to the vault; nil means the public cloud's
// defaults.
type Options struct {
	azcore.ClientOptions
	// Timeout bounds one signature with all its retries; zero means 8 s.
	Timeout time.Duration
}

// Signer is a key in a vault, of one version. It is safe for concurrent use.
type Signer struct {
	ctx       context.Context
	client    *azkeys.Client
	timeout   time.Duration
	id        objectID
	public    *ecdsa.PublicKey
	algorithm algorithm
}

var _ crypto.Signer = (*Signer)(nil)

// algorithm is the only one of a curve.
type algorithm struct {
	name azkeys.SignatureAlgorithm
	hash crypto.Hash
}

func algorithmOf(c elliptic.Curve) (algorithm, error) {
	switch c {
	case elliptic.P256():
		return algorithm{azkeys.SignatureAlgorithmES256, crypto.SHA256}, nil
	case elliptic.P384():
		return algorithm{azkeys.SignatureAlgorithmES384, crypto.SHA384}, nil
	case elliptic.P521():
		return algorithm{azkeys.SignatureAlgorithmES512, crypto.SHA512}, nil
	}
	return algorithm{}, fmt.Errorf("curve %s is not one of P-256, P-384 and P-521", c.Params().Name)
}

// New reads the public half of the key at https://<vault>/keys/<name>[/<version>]
// and gives a signer for it. Without a version it is the newest one of this
// moment, and stays it: a rotated key is another member.
//
// The context bounds this call and every later signature.
func New(ctx context.Context, keyID string, credential azcore.TokenCredential, opts *Options) (*Signer, error) {
	id, err := parseID(keyID, "keys")
	if err != nil {
		return nil, err
	}
	op := "vaultsigner: read key " + id.String()
	if credential == nil {
		return nil, fmt.Errorf("%s: a credential is needed", op)
	}
	o := withDefaults(opts)
	client, err := azkeys.NewClient(id.vault(), credential, &azkeys.ClientOptions{ClientOptions: o.ClientOptions})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	got, err := client.GetKey(ctx, id.name, id.version, nil)
	if err != nil {
		return nil, explain(op, "keys/read", err)
	}
	if got.Key == nil || got.Key.KID == nil {
		return nil, fmt.Errorf("%s: the vault answered without a key", op)
	}
	found, err := parseID(string(*got.Key.KID), "keys")
	if err != nil || found.version == "" || found.host != id.host || found.name != id.name || (id.version != "" && found.version != id.version) {
		return nil, fmt.Errorf("%s: the vault answered with another key, %q", op, shorten(string(*got.Key.KID)))
	}
	public, err := publicKey(got.Key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	alg, err := algorithmOf(public.Curve)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return &Signer{ctx: ctx, client: client, timeout: o.Timeout, id: found, public: public, algorithm: alg}, nil
}

func withDefaults(opts *Options) Options {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	o.ClientOptions = transport.Harden(o.ClientOptions, nil)
	return o
}

// publicKey reads a key on a curve.
func publicKey(k *azkeys.JSONWebKey) (*ecdsa.PublicKey, error) {
	if k.Kty == nil || (*k.Kty != azkeys.KeyTypeEC && *k.Kty != azkeys.KeyTypeECHSM) || k.Crv == nil {
		return nil, errors.New("it is not on a curve; the service verifies keys on P-256, P-384 and P-521 only, so create one of the type EC or EC-HSM")
	}
	var c elliptic.Curve
	switch *k.Crv {
	case azkeys.CurveNameP256:
		c = elliptic.P256()
	case azkeys.CurveNameP384:
		c = elliptic.P384()
	case azkeys.CurveNameP521:
		c = elliptic.P521()
	default:
		return nil, fmt.Errorf("its curve %q is not one of P-256, P-384 and P-521", shorten(string(*k.Crv)))
	}
	size := byteLen(c)
	point := make([]byte, 1+2*size)
	point[0] = 4 // uncompressed
	x, y := new(big.Int).SetBytes(k.X), new(big.Int).SetBytes(k.Y)
	if x.BitLen() > 8*size || y.BitLen() > 8*size {
		return nil, fmt.Errorf("its point is not on %s", *k.Crv)
	}
	x.FillBytes(point[1 : 1+size])
	y.FillBytes(point[1+size:])
	public, err := ecdsa.ParseUncompressedPublicKey(c, point)
	if err != nil {
		return nil, fmt.Errorf("its point is not on %s", *k.Crv)
	}
	return public, nil
}

// byteLen is the length of a coordinate, and of each half of a signature.
func byteLen(c elliptic.Curve) int { return (c.Params().BitSize + 7) / 8 }

// WithContext is a signer of the same key whose signatures the context bounds.
func (s *Signer) WithContext(ctx context.Context) *Signer {
	t := *s
	t.ctx = ctx
	return &t
}

// Public is an *ecdsa.PublicKey.
func (s *Signer) Public() crypto.PublicKey { return s.public }

// KeyID is the key's address with its version.
func (s *Signer) KeyID() string { return s.id.String() }

// String names the key.
func (s *Signer) String() string { return "key " + s.id.String() }

// Sign lets the vault sign a digest made with the hash of the curve, and gives
// the signature in ASN.1 DER. The reader is not used: the vault has its own.
func (s *Signer) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	op := "vaultsigner: sign with key " + s.id.String()
	// A caller that names no hash, as COSE libraries do, has made the digest
	// with the one of its own algorithm.
	if hash := hashOf(opts); (hash != 0 && hash != s.algorithm.hash) || len(digest) != s.algorithm.hash.Size() {
		return nil, fmt.Errorf("%s: a key on %s signs digests of %s only", op, s.public.Params().Name, s.algorithm.hash)
	}
	ctx, cancel := context.WithTimeout(s.ctx, s.timeout)
	defer cancel()
	got, err := s.client.Sign(ctx, s.id.name, s.id.version, azkeys.SignParameters{Algorithm: &s.algorithm.name, Value: digest}, nil)
	if err != nil {
		return nil, explain(op, "keys/sign/action", err)
	}
	der, err := toDER(got.Result, byteLen(s.public.Curve))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	if !ecdsa.VerifyASN1(s.public, digest, der) {
		return nil, fmt.Errorf("%s: the vault answered with a signature that this key did not make", op)
	}
	return der, nil
}

func hashOf(opts crypto.SignerOpts) crypto.Hash {
	if opts == nil {
		return 0
	}
	return opts.HashFunc()
}

// toDER turns r || s (RFC 7518, section 3.4) into the form of RFC 3279, section
// 2.2.3.
func toDER(raw []byte, size int) ([]byte, error) {
	if len(raw) != 2*size {
		return nil, fmt.Errorf("the vault answered with a signature of %d bytes, not %d", len(raw), 2*size)
	}
	var sig struct{ R, S *big.Int }
	sig.R, sig.S = new(big.Int).SetBytes(raw[:size]), new(big.Int).SetBytes(raw[size:])
	return asn1.Marshal(sig)
}

// SelfSigned makes a certificate with the common name, for the other members to
// propose; zero means a validity of 365 days. Keep it: another one, even of the
// same key and name, is another member.
func (s *Signer) SelfSigned(name string, validity time.Duration) (*x509.Certificate, error) {
	op := "vaultsigner: certificate of key " + s.id.String()
	if name == "" {
		return nil, fmt.Errorf("%s: the name is empty", op)
	}
	if validity <= 0 {
		validity = 365 * 24 * time.Hour
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 159))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	start := time.Now().Add(-time.Minute) // of grace for clocks that are behind
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: start, NotAfter: start.Add(validity),
		BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, s.public, s)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return x509.ParseCertificate(der)
}
