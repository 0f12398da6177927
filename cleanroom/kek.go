package cleanroom

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/cleanroom-go/sdk/internal/check"
	"github.com/cleanroom-go/sdk/internal/redact"
	"github.com/cleanroom-go/sdk/skr"
)

// kekBits is the size of a new KEK, the only one that the reference room was
// seen with.
const kekBits = 2048

// roleKeys is what importing and reading keys needs.
const roleKeys = "Key Vault Crypto Officer"

// kekOperations is all that a vault may do with a KEK itself: nothing that
// needs the private key, so that release is the only way to it.
var kekOperations = []azkeys.KeyOperation{azkeys.KeyOperationEncrypt, azkeys.KeyOperationWrapKey}

// KEKPolicyError says that a key of the wanted name exists and cannot serve:
// whoever satisfies its policy gets it, and that is not who was agreed on.
type KEKPolicyError struct {
	// Key names the existing key with its version.
	Key skr.KeyRef
	// Want and Got are the release policies; Got is nil if the key has none,
	// or none that could be read.
	Want, Got *skr.ReleasePolicy
	// Checks are all comparisons, in order; at least one failed.
	Checks []Check
}

// Error lists what differs, and how to rotate.
func (e *KEKPolicyError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "cleanroom: import KEK: %s exists and is not the key that is needed", e.Key)
	for _, c := range check.Failed(e.Checks) {
		fmt.Fprintf(&b, "\n\t%s", c)
	}
	if slices.ContainsFunc(check.Failed(e.Checks), func(c Check) bool { return c.ID == checkExportable }) {
		b.WriteString("\n\tchoose another name for the KEK: a vault never makes a key exportable later, nor a new version of it")
	} else {
		b.WriteString("\n\tto rotate it, call ImportKEK with ImportKEKOptions.Rotate: the key gets a new version with the needed policy, and every secret and data key under it must be wrapped again; or choose another name for the KEK")
	}
	return b.String()
}

const checkExportable = "kek.exportable"

// ImportKEKOptions are the options of [Keys.ImportKEK]. The zero value is ready.
type ImportKEKOptions struct {
	// Rotate gives a KEK that exists and cannot serve, for instance under
	// another release policy, a new version. What was wrapped under the old one
	// must then be wrapped again. The zero value refuses with a
	// [*KEKPolicyError].
	Rotate bool
	// PrivateKeyFile is a PEM file (PKCS #1 or #8, RSA of 2048 to 4096 bits) with
	// the KEK, as the oldest reference tools keep it beside their documents
	// (KEK.pem). It is imported instead of a new key, and an existing KEK must
	// be that key. A file that others can read is refused. Zero means a new key
	// that is written nowhere, which is better.
	PrivateKeyFile string
}

// ImportKEK makes sure that the vault holds the KEK named by ref under exactly
// this release policy, and returns the reference with the key's version and the
// public half that wraps secrets.
//
// A missing KEK is generated in memory (RSA-2048), imported as an exportable
// HSM key that the vault itself can neither decrypt nor unwrap with, read back
// and compared. The private key is written nowhere and its parts are cleared;
// the copies inside crypto/rsa and the request's buffer cannot be.
//
// An existing KEK is used only if its policy says the same, else the error is
// a [*KEKPolicyError]. That key is trusted as its vault is: whoever could write
// to the vault before may know it.
func (k *Keys) ImportKEK(ctx context.Context, ref skr.KeyRef, policy *skr.ReleasePolicy, opts *ImportKEKOptions) (_ skr.KeyRef, _ *rsa.PublicKey, err error) {
	ctx, end := k.tracer.Start(ctx, "ImportKEK")
	defer end(&err)
	if opts == nil {
		opts = &ImportKEKOptions{}
	}
	fail := func(err error) (skr.KeyRef, *rsa.PublicKey, error) { return skr.KeyRef{}, nil, err }
	ref, op, err := checkKEK(ref, policy)
	if err != nil {
		return fail(err)
	}
	vault, err := k.keyClient(ref.VaultURL)
	if err != nil {
		return fail(fmt.Errorf("%s: %w", op, err))
	}
	var own *rsa.PrivateKey
	if opts.PrivateKeyFile != "" {
		if own, err = loadKEK(opts.PrivateKeyFile); err != nil {
			return fail(fmt.Errorf("%s: %w", op, err))
		}
		defer clearKey(own, &azkeys.JSONWebKey{})
	}
	existing, err := vault.GetKey(ctx, ref.Name, "", nil)
	if err == nil {
		found, pub, err := useKEK(ref, policy, existing.KeyBundle)
		if err == nil && own != nil && !pub.Equal(&own.PublicKey) {
			err = &KEKPolicyError{Key: found, Want: policy, Got: policy, Checks: []Check{
				verdict("kek.key", "the key of the file", "another key", false),
			}}
		}
		var mismatch *KEKPolicyError
		switch {
		case err == nil:
			return found, pub, nil
		case !errors.As(err, &mismatch):
			return fail(fmt.Errorf("%s: %w", op, err))
		case !opts.Rotate:
			return fail(mismatch)
		}
	} else if !isNotFound(err) {
		return fail(explainVault(op, roleKeys, err))
	}
	if own == nil {
		if own, err = rsa.GenerateKey(rand.Reader, kekBits); err != nil {
			return fail(fmt.Errorf("%s: %w", op, err))
		}
	}
	return k.importKEK(ctx, vault, op, ref, policy, own)
}

// checkKEK is all that can be said about an import before the first call. It
// returns the normalised reference and the operation for errors.
func checkKEK(ref skr.KeyRef, policy *skr.ReleasePolicy) (skr.KeyRef, string, error) {
	op := "cleanroom: import KEK"
	ref, err := ref.Normalize()
	if err != nil {
		return skr.KeyRef{}, "", fmt.Errorf("%s: %w", op, err)
	}
	op = fmt.Sprintf("%s %s", op, ref)
	switch {
	case policy == nil:
		err = errors.New("no release policy; make it with ReleasePolicyFor")
	case ref.Version != "":
		err = errors.New("the reference names a version; the vault chooses versions")
	case !slices.Equal(policy.Authorities(), []string{ref.AttestationURL}):
		err = fmt.Errorf("the policy names the attestation service %s, the reference %s", strings.Join(policy.Authorities(), ", "), ref.AttestationURL)
	}
	if err != nil {
		return skr.KeyRef{}, "", fmt.Errorf("%s: %w", op, err)
	}
	return ref, op, nil
}

// importKEK imports a key and reads it back without naming its version, as
// the room will: that also notices another import that came in between. An
// import whose answer is lost is recognised by its public key. The private key
// is cleared.
func (k *Keys) importKEK(ctx context.Context, vault *azkeys.Client, op string, ref skr.KeyRef, policy *skr.ReleasePolicy, private *rsa.PrivateKey) (skr.KeyRef, *rsa.PublicKey, error) {
	fail := func(err error) (skr.KeyRef, *rsa.PublicKey, error) { return skr.KeyRef{}, nil, err }
	public := &rsa.PublicKey{N: new(big.Int).Set(private.N), E: private.E}
	jwk := privateJWK(private)
	defer clearKey(private, jwk)
	err := k.store(ctx, func(ctx context.Context) error {
		_, err := vault.ImportKey(ctx, ref.Name, azkeys.ImportKeyParameters{
			Key:           jwk,
			HSM:           to.Ptr(true),
			KeyAttributes: &azkeys.KeyAttributes{Enabled: to.Ptr(true), Exportable: to.Ptr(true)},
			ReleasePolicy: &azkeys.KeyReleasePolicy{EncodedPolicy: policy.Encode(), Immutable: to.Ptr(false)},
		}, nil)
		return err
	}, func(ctx context.Context) (bool, error) {
		newest, err := vault.GetKey(ctx, ref.Name, "", nil)
		if err != nil {
			if isNotFound(err) {
				err = nil
			}
			return false, err
		}
		got := publicKey(newest.Key)
		return got != nil && got.Equal(public), nil
	})
	if err != nil {
		return fail(explainVault(op, roleKeys, err))
	}
	stored, err := vault.GetKey(ctx, ref.Name, "", nil)
	if err != nil {
		return fail(explainVault(op+": read back", roleKeys, err))
	}
	ref, got, err := useKEK(ref, policy, stored.KeyBundle)
	if err != nil {
		return fail(fmt.Errorf("%s: read back: %w", op, err))
	}
	if !got.Equal(public) {
		return fail(fmt.Errorf("%s: read back: the vault's newest version is another key than the one just imported; somebody else imports the same name: agree on one of you and try again", op))
	}
	return ref, got, nil
}

// useKEK compares a key of a vault with what a KEK must be. It is a
// *KEKPolicyError if that is another.
func useKEK(ref skr.KeyRef, want *skr.ReleasePolicy, b azkeys.KeyBundle) (skr.KeyRef, *rsa.PublicKey, error) {
	if b.Key == nil || b.Key.KID == nil {
		return skr.KeyRef{}, nil, errors.New("the vault answered without a key")
	}
	ref.Version = b.Key.KID.Version()
	if b.Key.KID.Name() != ref.Name || ref.Version == "" || ref.Validate() != nil {
		return skr.KeyRef{}, nil, fmt.Errorf("the vault answered with another key, %q", shorten(string(*b.Key.KID), 200))
	}
	attributes := b.Attributes
	if attributes == nil {
		attributes = &azkeys.KeyAttributes{}
	}
	got, policyText := storedPolicy(b)
	public := publicKey(b.Key)
	usable := public != nil && public.N.BitLen() >= kekBits && b.Key.Kty != nil && *b.Key.Kty == azkeys.KeyTypeRSAHSM
	const none = "none that uses the private key"
	operations := none
	if ops := privateOperations(b.Key); len(ops) > 0 {
		operations = strings.Join(ops, ", ")
	}
	checks := []Check{
		verdict("kek.release-policy", want.String(), policyText, want.Equal(got)),
		verdict(checkExportable, "true", fmt.Sprint(isTrue(attributes.Exportable)), isTrue(attributes.Exportable)),
		verdict("kek.enabled", "true", fmt.Sprint(isTrue(attributes.Enabled)), isTrue(attributes.Enabled)),
		verdict("kek.type", "RSA-HSM of at least 2048 bits", keyType(b.Key, public), usable),
		verdict("kek.operations", none, operations, operations == none),
	}
	if len(check.Failed(checks)) > 0 {
		return skr.KeyRef{}, nil, &KEKPolicyError{Key: ref, Want: want, Got: got, Checks: checks}
	}
	return ref, public, nil
}

// verdict is a check whose sides are not compared as texts.
func verdict(id, want, got string, ok bool) Check {
	c := Check{ID: id, Want: want, Got: got}
	if !ok {
		c.Err = check.ErrMismatch
	}
	return c
}

func isTrue(b *bool) bool { return b != nil && *b }

// storedPolicy is the key's own policy and its text for a message.
func storedPolicy(b azkeys.KeyBundle) (*skr.ReleasePolicy, string) {
	if b.ReleasePolicy == nil || len(b.ReleasePolicy.EncodedPolicy) == 0 {
		return nil, "none"
	}
	p, err := skr.ParseReleasePolicy(b.ReleasePolicy.EncodedPolicy)
	if err != nil {
		return nil, "a policy that cannot be read: " + err.Error()
	}
	return p, p.String()
}

func keyType(k *azkeys.JSONWebKey, public *rsa.PublicKey) string {
	if k.Kty == nil {
		return "none"
	}
	if public == nil {
		return string(*k.Kty) + " without an RSA public key"
	}
	return fmt.Sprintf("%s of %d bits", *k.Kty, public.N.BitLen())
}

// privateOperations lists what the vault would do with the private key for
// whoever has a role there, past all attestation.
func privateOperations(k *azkeys.JSONWebKey) []string {
	var found []string
	for _, op := range k.KeyOps {
		if op != nil && !slices.Contains(kekOperations, *op) && *op != azkeys.KeyOperationVerify {
			found = append(found, string(*op))
		}
	}
	return found
}

// publicKey is nil if the members are no RSA key that could be used.
func publicKey(k *azkeys.JSONWebKey) *rsa.PublicKey {
	if k == nil {
		return nil
	}
	e := new(big.Int).SetBytes(k.E)
	if len(k.N) == 0 || len(k.N) > 1024 || e.BitLen() > 31 || e.Sign() == 0 {
		return nil
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(k.N), E: int(e.Int64())}
}

// privateJWK has minimal big-endian numbers, RFC 7518 section 6.3.
func privateJWK(key *rsa.PrivateKey) *azkeys.JSONWebKey {
	jwk := &azkeys.JSONWebKey{
		Kty: to.Ptr(azkeys.KeyTypeRSA),
		N:   key.N.Bytes(),
		E:   big.NewInt(int64(key.E)).Bytes(),
		D:   key.D.Bytes(),
		P:   key.Primes[0].Bytes(),
		Q:   key.Primes[1].Bytes(),
		DP:  key.Precomputed.Dp.Bytes(),
		DQ:  key.Precomputed.Dq.Bytes(),
		QI:  key.Precomputed.Qinv.Bytes(),
	}
	for _, op := range kekOperations {
		jwk.KeyOps = append(jwk.KeyOps, to.Ptr(op))
	}
	return jwk
}

// clearKey overwrites what of the private key is within reach.
func clearKey(key *rsa.PrivateKey, jwk *azkeys.JSONWebKey) {
	for _, b := range [][]byte{jwk.D, jwk.P, jwk.Q, jwk.DP, jwk.DQ, jwk.QI} {
		redact.Clear(b)
	}
	for _, n := range []*big.Int{key.D, key.Primes[0], key.Primes[1], key.Precomputed.Dp, key.Precomputed.Dq, key.Precomputed.Qinv} {
		clear(n.Bits())
	}
}
