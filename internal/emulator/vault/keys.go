package vault

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"math/big"
	"net/http"
	"strings"

	"github.com/cleanroom-go/sdk/internal/emulator/wire"
)

// keyVersion is one version of a key. It is replaced, never changed.
type keyVersion struct {
	name, id   string
	private    *rsa.PrivateKey // one of the three is set
	ec         *ecdsa.PrivateKey
	oct        []byte
	hsm        bool
	ops        []string
	attributes attributes
	policy     *releasePolicy // nil unless exportable
	tags       map[string]string
}

// attributes of a key or secret version. Times are Unix seconds.
type attributes struct {
	Enabled         bool   `json:"enabled"`
	NotBefore       int64  `json:"nbf,omitempty"`
	Expires         int64  `json:"exp,omitempty"`
	Created         int64  `json:"created"`
	Updated         int64  `json:"updated"`
	RecoveryLevel   string `json:"recoveryLevel"`
	RecoverableDays int    `json:"recoverableDays"`
	Exportable      *bool  `json:"exportable,omitempty"` // keys only
}

// givenAttributes are those that a caller may set; nil means left out.
type givenAttributes struct {
	Enabled    *bool  `json:"enabled"`
	NotBefore  *int64 `json:"nbf"`
	Expires    *int64 `json:"exp"`
	Exportable *bool  `json:"exportable"`
}

// apply returns a with the given values and a new time of update.
func (g givenAttributes) apply(a attributes, now int64) attributes {
	if g.Enabled != nil {
		a.Enabled = *g.Enabled
	}
	if g.NotBefore != nil {
		a.NotBefore = *g.NotBefore
	}
	if g.Expires != nil {
		a.Expires = *g.Expires
	}
	a.Updated = now
	return a
}

// fresh are the attributes of a new version.
func fresh(g givenAttributes, now int64) attributes {
	return g.apply(attributes{Enabled: true, Created: now, RecoveryLevel: "Recoverable", RecoverableDays: 90}, now)
}

// publicKey is the key member of a bundle. KeyHSM is set in release answers
// only.
type publicKey struct {
	KeyID  string   `json:"kid"`
	Kty    string   `json:"kty"`
	Ops    []string `json:"key_ops"`
	N      string   `json:"n,omitempty"`
	E      string   `json:"e,omitempty"`
	Crv    string   `json:"crv,omitempty"`
	X      string   `json:"x,omitempty"`
	Y      string   `json:"y,omitempty"`
	KeyHSM string   `json:"key_hsm,omitempty"`
}

// bundle is the answer to every call about a key.
type bundle struct {
	Key        publicKey         `json:"key"`
	Attributes attributes        `json:"attributes"`
	Tags       map[string]string `json:"tags"`
	Policy     *policyJSON       `json:"release_policy,omitempty"`
}

func (c *call) bundle(k *keyVersion) *bundle {
	b := &bundle{Key: k.public(), Attributes: k.attributes, Tags: k.tags}
	b.Key.KeyID, b.Key.Ops = c.id("keys", k.name, k.id), k.ops
	if k.policy != nil {
		b.Policy = k.policy.json()
	}
	return b
}

func (k *keyVersion) public() publicKey {
	var p publicKey
	switch k.kind() {
	case "EC":
		known := curveOf(k.ec.Curve)
		point, err := k.ec.PublicKey.Bytes() // 4, x, y
		if err != nil {
			panic("vault: internal error: " + err.Error())
		}
		x, y := point[1:1+len(point)/2], point[1+len(point)/2:]
		p = publicKey{Kty: "EC", Crv: known.name, X: wire.Encode64(x), Y: wire.Encode64(y)}
	case "oct": // nothing of it is public
		p = publicKey{Kty: "oct"}
	default:
		p = publicKey{Kty: "RSA", N: wire.Encode64(k.private.N.Bytes()), E: wire.Encode64(big.NewInt(int64(k.private.E)).Bytes())}
	}
	if k.hsm {
		p.Kty += "-HSM"
	}
	return p
}

// kind is the key's type without the suffix -HSM.
func (k *keyVersion) kind() string {
	switch {
	case k.ec != nil:
		return "EC"
	case k.oct != nil:
		return "oct"
	}
	return "RSA"
}

func (k *keyVersion) exportable() bool {
	return k.attributes.Exportable != nil && *k.attributes.Exportable
}

func newVersion() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

// key finds the version that a call names. The caller holds the lock.
func (s *Server) key(c *call) (*keyVersion, error) {
	if v := s.vaults[c.host]; v != nil {
		if k := find(v.keys[strings.ToLower(c.name)], c.version, func(k *keyVersion) string { return k.id }); k != nil {
			return k, nil
		}
	}
	return nil, wire.Errorf(http.StatusNotFound, "KeyNotFound", "A key with (name/id) %s was not found in this key vault. If you recently deleted this key you may be able to recover it using the correct recovery command.", c.path())
}

// path is the name, with the version if one was asked for.
func (c *call) path() string {
	if c.version == "" {
		return c.name
	}
	return c.name + "/" + c.version
}

// find picks a version, the newest if none is named; nil if there is none.
func find[T any](all []*T, version string, id func(*T) string) *T {
	for i := len(all) - 1; i >= 0; i-- {
		if version == "" || id(all[i]) == version {
			return all[i]
		}
	}
	return nil
}

func (s *Server) getKey(_ context.Context, c *call) (any, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	k, err := s.key(c)
	if err != nil {
		return nil, err
	}
	return c.bundle(k), nil
}

// updateKey changes attributes, operations, tags and, on the path without a
// version only, the release policy.
func (s *Server) updateKey(_ context.Context, c *call) (any, error) {
	var in struct {
		Attributes givenAttributes   `json:"attributes"`
		Ops        []string          `json:"key_ops"`
		Policy     *policyJSON       `json:"release_policy"`
		Tags       map[string]string `json:"tags"`
	}
	if err := c.read(&in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old, err := s.key(c)
	if err != nil {
		return nil, err
	}
	k := *old
	if in.Attributes.Exportable != nil && *in.Attributes.Exportable != k.exportable() {
		return nil, errExportableFixed()
	}
	if in.Policy != nil {
		if c.version != "" {
			return nil, badParameter("AKV.SKR.1016: Release policy can only be set on the versionless key.")
		}
		if k.policy, err = s.newPolicy(in.Policy, k.exportable(), old.policy); err != nil {
			return nil, err
		}
	}
	if in.Ops != nil {
		if k.ops, err = k.operationsOf(in.Ops); err != nil {
			return nil, err
		}
	}
	if in.Tags != nil {
		k.tags = in.Tags
	}
	k.attributes = in.Attributes.apply(k.attributes, s.now().Unix())
	all := s.vaults[c.host].keys[strings.ToLower(c.name)]
	for i := range all {
		if all[i] == old {
			all[i] = &k
		}
	}
	return c.bundle(&k), nil
}
