package vault

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"slices"
	"strings"
)

// createKey is POST /keys/{name}/create. In a vault, keys on a curve are for
// signing and stay; RSA keys, and in a Managed HSM octet keys, may be exportable
// under a release policy.
func (s *Server) createKey(_ context.Context, c *call) (any, error) {
	var in struct {
		Kty        string            `json:"kty"`
		Crv        string            `json:"crv"`
		Size       int               `json:"key_size"`
		Ops        []string          `json:"key_ops"`
		Attributes givenAttributes   `json:"attributes"`
		Policy     *policyJSON       `json:"release_policy"`
		Tags       map[string]string `json:"tags"`
	}
	if err := c.read(&in); err != nil {
		return nil, err
	}
	k := &keyVersion{name: c.name, id: newVersion(), tags: in.Tags}
	kind, hsm := strings.CutSuffix(in.Kty, "-HSM")
	k.hsm = hsm || s.opts.ManagedHSM
	var err error
	switch {
	case kind == "EC":
		if in.Attributes.Exportable != nil && *in.Attributes.Exportable {
			return nil, badParameter("Exportable keys on a curve are not supported here.")
		}
		if in.Crv == "" {
			in.Crv = "P-256"
		}
		k.ec, err = newECKey(in.Crv)
	case kind == "RSA":
		if in.Size == 0 {
			in.Size = 2048
		}
		if in.Size != 2048 && in.Size != 3072 && in.Size != 4096 {
			return nil, badParameter("Property key_size has the invalid value '%d'.", in.Size)
		}
		k.private, err = rsa.GenerateKey(rand.Reader, in.Size)
	case kind == "oct" && hsm && s.opts.ManagedHSM:
		if in.Size == 0 {
			in.Size = 256
		}
		if !slices.Contains(octSizes, in.Size) {
			return nil, badParameter("Property key_size has the invalid value '%d'.", in.Size)
		}
		k.oct = make([]byte, in.Size/8)
		_, err = rand.Read(k.oct)
	default:
		return nil, badParameter("Property kty has the invalid value '%s'.", in.Kty)
	}
	if err != nil {
		return nil, err
	}
	if k.ops, err = k.operationsOf(in.Ops); err != nil {
		return nil, err
	}
	return s.addKey(c, k, in.Attributes, in.Policy)
}
