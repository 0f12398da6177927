package vault

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/http"
	"slices"

	"github.com/cleanroom-go/sdk/internal/emulator/wire"
)

// curve is what a vault does with keys of one curve: one algorithm, over a
// digest of one length.
type curve struct {
	name, algorithm string
	digest          int // bytes
	curve           elliptic.Curve
}

var curves = []curve{
	{"P-256", "ES256", 32, elliptic.P256()},
	{"P-384", "ES384", 48, elliptic.P384()},
	{"P-521", "ES512", 64, elliptic.P521()},
}

func curveOf(c elliptic.Curve) curve {
	return curves[slices.IndexFunc(curves, func(known curve) bool { return known.curve == c })]
}

// newECKey makes a key on the named curve.
func newECKey(name string) (*ecdsa.PrivateKey, error) {
	i := slices.IndexFunc(curves, func(known curve) bool { return known.name == name })
	if i < 0 {
		return nil, badParameter("Property crv has the invalid value '%s'.", name)
	}
	return ecdsa.GenerateKey(curves[i].curve, rand.Reader)
}

// signDigest is POST /keys/{name}/{version}/sign. The answer is r and s one
// after the other, each as long as the curve's order.
func (s *Server) signDigest(_ context.Context, c *call) (any, error) {
	k, in, err := s.operand(c, "sign")
	if err != nil {
		return nil, err
	}
	if k.ec == nil {
		return nil, badParameter("Key and signing algorithm are incompatible. Key %s is of type 'RSA', and this emulator signs with keys on a curve only.", c.id("keys", k.name, k.id))
	}
	known := curveOf(k.ec.Curve)
	if in.Alg != known.algorithm {
		return nil, badParameter("Key and signing algorithm are incompatible. Key %s is on curve '%s', which signs with '%s', not '%s'.", c.id("keys", k.name, k.id), known.name, known.algorithm, in.Alg)
	}
	digest, err := wire.Decode64(in.Value)
	if err != nil {
		return nil, badParameter("Property value is not base64url: %v", err)
	}
	if len(digest) != known.digest {
		return nil, badParameter("Invalid length of 'value': %d bytes. %s requires %d bytes, encoded with base64url.", len(digest), known.algorithm, known.digest)
	}
	r, sv, err := ecdsa.Sign(rand.Reader, k.ec, digest)
	if err != nil {
		return nil, err
	}
	size := (known.curve.Params().BitSize + 7) / 8
	signature := make([]byte, 2*size)
	r.FillBytes(signature[:size])
	sv.FillBytes(signature[size:])
	return map[string]string{"kid": c.id("keys", k.name, k.id), "value": wire.Encode64(signature)}, nil
}

// keyRequest is the body of a request to use a key.
type keyRequest struct {
	Alg   string `json:"alg"`
	Value string `json:"value"`
}

// operand is the key of a request, which may be used so, and the request.
func (s *Server) operand(c *call, use string) (*keyVersion, *keyRequest, error) {
	in := &keyRequest{}
	if err := c.read(in); err != nil {
		return nil, nil, err
	}
	s.mu.RLock()
	k, err := s.key(c)
	s.mu.RUnlock()
	if err != nil {
		return nil, nil, err
	}
	return k, in, k.mayUse(use, s.now().Unix())
}

// mayUse says whether the key may be used for the operation at this time.
func (k *keyVersion) mayUse(operation string, now int64) error {
	a := k.attributes
	switch {
	case !a.Enabled:
		return forbidden("KeyDisabled", "Operation %s is not allowed on a disabled key.", operation)
	case a.NotBefore != 0 && now < a.NotBefore:
		return forbidden("KeyNotYetValid", "Operation %s is not allowed on a key that is not yet valid.", operation)
	case a.Expires != 0 && now >= a.Expires:
		return forbidden("KeyExpired", "Operation %s is not allowed on an expired key.", operation)
	case operation != "release" && !slices.Contains(k.ops, operation):
		return forbidden("KeyOperationForbidden", "Operation %s is not permitted on this key.", operation)
	}
	return nil
}

// accepted is an answer about what is not done yet.
type accepted struct{ body any }

func (s *Server) answer(w http.ResponseWriter, v any) {
	if a, ok := v.(accepted); ok {
		wire.JSON(w, http.StatusAccepted, a.body)
		return
	}
	wire.JSON(w, http.StatusOK, v)
}
