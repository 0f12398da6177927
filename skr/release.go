package skr

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/cleanroom-go/sdk/internal/check"
	"github.com/cleanroom-go/sdk/internal/keywrap"
)

// release is one uncached release: transfer key, evidence, token, key.
func (r *Releaser) release(ctx context.Context, id releaseID) (*releasedMaterial, error) {
	ref := id.ref
	op := releaseOp(ref)
	transfer, err := newTransferKey()
	if err != nil {
		return nil, fmt.Errorf("%s: transfer key: %w", op, err)
	}
	nonce, err := newNonce()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	token, err := r.attest(ctx, ref, transfer, nonce)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	vault, err := r.vault(ref.VaultURL, id.cred)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	algorithm := r.algorithm
	ask := func() (azkeys.ReleaseResponse, error) {
		return vault.Release(ctx, ref.Name, ref.Version, azkeys.ReleaseParameters{
			TargetAttestationToken: new(token.Raw()),
			Algorithm:              new(azkeys.KeyEncryptionAlgorithm(algorithm)),
			Nonce:                  &nonce,
		}, nil)
	}
	resp, err := ask()
	if r.fallback && refusesAlgorithm(err, algorithm) {
		algorithm = keywrap.CKMRSAAES
		resp, err = ask()
	}
	if err != nil {
		return nil, releaseFailure(ctx, vault, ref, token, err)
	}
	if resp.Value == nil {
		return nil, fmt.Errorf("%s: the answer holds no value", op)
	}
	rc := releaseCheck{ref, nonce, token.Raw(), algorithm, transfer, r.roots, r.now()}
	key, checks := rc.open(*resp.Value)
	if key == nil {
		return nil, check.Denied(op, "this program", checks, nil)
	}
	return key, nil
}

// refusesAlgorithm reports whether the vault does not know the algorithm, or the
// member that names it. It is answered over the vault's own connection, and
// SHA-1 in OAEP is old, not broken: to follow costs no secrecy.
func refusesAlgorithm(err error, algorithm keywrap.Algorithm) bool {
	var service *serviceError
	return errors.As(explainService(err), &service) && service.err.StatusCode == http.StatusBadRequest &&
		(strings.Contains(service.message, string(algorithm)) || strings.Contains(service.message, "'enc'") || strings.Contains(service.message, "property enc "))
}

func newNonce() (string, error) {
	b := make([]byte, 32)
	if _, err := rand.Read(b); err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

func (r *Releaser) attest(ctx context.Context, ref KeyRef, transfer *transferKey, nonce string) (*AttestationToken, error) {
	service, err := r.service(ref.AttestationURL)
	if err != nil {
		return nil, err
	}
	evidence, err := r.attester.Attest(ctx, transfer.runtimeData)
	if err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	if evidence == nil || !bytes.Equal(evidence.RuntimeData, transfer.runtimeData) {
		return nil, errors.New("evidence: the attester answered for other runtime data than it was given")
	}
	return service.Attest(ctx, evidence, nonce)
}

// releaseFailure turns the vault's refusal into one that names the claim.
func releaseFailure(ctx context.Context, vault *azkeys.Client, ref KeyRef, token *AttestationToken, err error) error {
	op := releaseOp(ref)
	err = explainService(err)
	var service *serviceError
	if !errors.As(err, &service) {
		return fmt.Errorf("%s: %w", op, err)
	}
	switch service.err.StatusCode {
	case http.StatusForbidden:
		return check.Denied(op, hostOf(ref.VaultURL), explainForbidden(ctx, vault, ref, token, service), service)
	case http.StatusNotFound:
		return fmt.Errorf("%s: %w; check the key's name and version, and that it was imported into this vault", op, service)
	case http.StatusUnauthorized:
		return fmt.Errorf("%s: %w; check that the credential's tenant is the vault's", op, service)
	}
	return fmt.Errorf("%s: %w", op, service)
}

// explainForbidden finds out which of the three reasons of a 403 applies: a
// missing role, a token that the vault cannot verify, or a policy that the
// claims do not meet. Only the last needs the key's policy.
func explainForbidden(ctx context.Context, vault *azkeys.Client, ref KeyRef, token *AttestationToken, service *serviceError) []Check {
	if role := missingRole(service); role != "" {
		return []Check{{
			ID: "release.role", Want: "the permission keys/release", Got: role,
			Remedy: "assign the role Key Vault Crypto Service Release User (on a Managed HSM: Managed HSM Crypto Service Release User) to the identity; it can take minutes to act",
			Err:    errRefused,
		}}
	}
	policy, err := keyPolicy(ctx, vault, ref)
	if err != nil {
		return []Check{claimsOnly(token, err)}
	}
	e := policy.Explain(token.Claims())
	if !e.Satisfied {
		return e.Checks
	}
	return append(e.Checks, Check{
		ID: "release.token", Want: "a token that the vault can verify", Got: shorten(service.message),
		Remedy: "the claims satisfy the policy as it reads now: release again; if it persists, check that the vault can reach " + e.Authority + " and that the identity may release",
		Err:    errRefused,
	})
}

// missingRole is how the service says that the identity lacks a role, "" if it
// says something else. A vault has an inner code for it; a Managed HSM, which
// keeps roles of its own, only a text.
func missingRole(service *serviceError) string {
	switch {
	case service.inner == "ForbiddenByRbac", service.code == "ForbiddenByRbac":
		return "ForbiddenByRbac"
	case strings.HasPrefix(service.message, "Not authorized to access Microsoft.KeyVault/managedHsm/"):
		return service.code + " by the local roles of the Managed HSM"
	}
	return ""
}

// keyPolicy reads the release policy of the key itself.
func keyPolicy(ctx context.Context, vault *azkeys.Client, ref KeyRef) (*ReleasePolicy, error) {
	resp, err := vault.GetKey(ctx, ref.Name, ref.Version, nil)
	if err != nil {
		return nil, explainService(err)
	}
	if resp.ReleasePolicy == nil || len(resp.ReleasePolicy.EncodedPolicy) == 0 {
		return nil, errors.New("the key has no release policy")
	}
	return ParseReleasePolicy(resp.ReleasePolicy.EncodedPolicy)
}

// claimsOnly is the explanation when the policy cannot be read, as with an
// identity that may release but not read.
func claimsOnly(token *AttestationToken, err error) Check {
	c := token.Claims()
	got := ""
	for _, name := range []string{claimIssuer, claimHostData, claimCompliance, claimType} {
		if got != "" {
			got += ", "
		}
		got += name + "=" + c.textOrAbsent(name)
	}
	return Check{
		ID: "release.policy", Want: "claims that meet the key's release policy", Got: got,
		Remedy: "compare these claims with the key's release policy; it could not be read here: " + err.Error(),
		Err:    errRefused,
	}
}
