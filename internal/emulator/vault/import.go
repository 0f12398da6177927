package vault

import (
	"context"
	"crypto/rsa"
	"math/big"
	"slices"
	"strings"

	"github.com/cleanroom-go/sdk/internal/emulator/wire"
)

// importRequest is the body of PUT /keys/{name}. Clients spell "hsm" as "Hsm",
// which is why member names are read without regard to case.
type importRequest struct {
	Key        privateKey        `json:"key"`
	HSM        bool              `json:"hsm"`
	Attributes givenAttributes   `json:"attributes"`
	Policy     *policyJSON       `json:"release_policy"`
	Tags       map[string]string `json:"tags"`
}

// privateKey is an RSA or octet JSON web key; numbers are base64url, big endian.
type privateKey struct {
	Kty string   `json:"kty"`
	Ops []string `json:"key_ops"`
	N   string   `json:"n"`
	E   string   `json:"e"`
	D   string   `json:"d"`
	P   string   `json:"p"`
	Q   string   `json:"q"`
	DP  string   `json:"dp"`
	DQ  string   `json:"dq"`
	QI  string   `json:"qi"`
	K   string   `json:"k"` // of an octet key
}

func (s *Server) importKey(_ context.Context, c *call) (any, error) {
	var in importRequest
	if err := c.read(&in); err != nil {
		return nil, err
	}
	k := &keyVersion{name: c.name, id: newVersion(), tags: in.Tags}
	var err error
	if strings.HasPrefix(in.Key.Kty, "oct") {
		k.hsm = true
		k.oct, err = s.parseOct(&in.Key)
	} else {
		// All keys of a Managed HSM are in hardware.
		k.private, k.hsm, err = in.Key.parse(in.HSM || s.opts.ManagedHSM)
	}
	if err != nil {
		return nil, err
	}
	if k.ops, err = k.operationsOf(in.Key.Ops); err != nil {
		return nil, err
	}
	return s.addKey(c, k, in.Attributes, in.Policy)
}

// addKey appends a version, if attributes, policy and earlier versions allow
// it.
func (s *Server) addKey(c *call, k *keyVersion, given givenAttributes, policy *policyJSON) (*bundle, error) {
	if k.tags == nil {
		k.tags = map[string]string{}
	}
	exportable := given.Exportable != nil && *given.Exportable
	switch {
	case exportable && !c.hasRelease():
		return nil, badParameter("AKV.SKR.1001: The exportable attribute is only supported with premium vaults and API version >= '7.3-preview'.")
	case exportable && !k.hsm:
		return nil, badParameter("AKV.SKR.1006: Software keys cannot be exportable in a premium vault.")
	case exportable && policy == nil:
		return nil, badParameter("AKV.SKR.1004: Exportable keys must have release policy.")
	}
	k.attributes = fresh(given, s.now().Unix())
	k.attributes.Exportable = &exportable

	s.mu.Lock()
	defer s.mu.Unlock()
	keys := s.vault(c.host).keys
	name := strings.ToLower(c.name)
	latest := find(keys[name], "", func(k *keyVersion) string { return k.id })
	if latest != nil && latest.kind() != k.kind() {
		return nil, badParameter("A key of that name and of another type exists.")
	}
	if latest != nil && latest.exportable() != exportable {
		return nil, errExportableFixed()
	}
	if policy != nil {
		var old *releasePolicy
		if latest != nil {
			old = latest.policy
		}
		var err error
		if k.policy, err = s.newPolicy(policy, exportable, old); err != nil {
			return nil, err
		}
	}
	if latest != nil {
		k.name = latest.name // names keep the spelling they were made with
	}
	keys[name] = append(keys[name], k)
	return c.bundle(k), nil
}

func errExportableFixed() error {
	return badParameter("AKV.SKR.1003: The exportable attribute of an existing key cannot be changed.")
}

// parse checks that all members belong to one key.
func (in *privateKey) parse(hsm bool) (key *rsa.PrivateKey, inHSM bool, err error) {
	switch in.Kty {
	case "RSA":
	case "RSA-HSM":
		hsm = true
	default:
		return nil, false, badParameter("JSON Web Key: key type '%s' is not supported", in.Kty)
	}
	pub := wire.PublicKey(in.N, in.E)
	if pub == nil {
		return nil, false, badParameter("JSON Web Key: n and e are not an RSA public key")
	}
	if bits := pub.N.BitLen(); bits != 2048 && bits != 3072 && bits != 4096 {
		return nil, false, badParameter("JSON Web Key: RSA key size %d is not supported, use 2048, 3072 or 4096", bits)
	}
	key = &rsa.PrivateKey{PublicKey: *pub, Primes: make([]*big.Int, 2)}
	for _, member := range []struct {
		name, text string
		into       **big.Int
	}{{"d", in.D, &key.D}, {"p", in.P, &key.Primes[0]}, {"q", in.Q, &key.Primes[1]}} {
		b, err := wire.Decode64(member.text)
		if err != nil || len(b) == 0 {
			return nil, false, badParameter("JSON Web Key: member %s is missing or not base64url", member.name)
		}
		*member.into = new(big.Int).SetBytes(b)
	}
	if err := key.Validate(); err != nil {
		return nil, false, badParameter("JSON Web Key: the members do not make one RSA key")
	}
	key.Precompute()
	if !sameInt(in.DP, key.Precomputed.Dp) || !sameInt(in.DQ, key.Precomputed.Dq) || !sameInt(in.QI, key.Precomputed.Qinv) {
		return nil, false, badParameter("JSON Web Key: dp, dq or qi is missing or does not fit d, p and q")
	}
	return key, hsm, nil
}

func sameInt(text string, n *big.Int) bool {
	b, err := wire.Decode64(text)
	return err == nil && new(big.Int).SetBytes(b).Cmp(n) == 0
}

// What a key may be used for when nothing is said.
var (
	rsaOperations = []string{"encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"}
	ecOperations  = []string{"sign", "verify"}
)

func (k *keyVersion) operationsOf(given []string) ([]string, error) {
	kty, known := k.kind(), rsaOperations
	switch kty {
	case "EC":
		known = ecOperations
	case "oct":
		known = octOperations
	}
	if len(given) == 0 {
		return known, nil
	}
	for _, op := range given {
		if !slices.Contains(known, op) {
			return nil, badParameter("JSON Web Key: key operation '%s' is not valid for %s", op, kty)
		}
	}
	return given, nil
}
