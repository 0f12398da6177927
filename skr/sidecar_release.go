package skr

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/cleanroom-go/sdk/internal/check"
)

// NewSidecarReleaser makes a releaser that has the SKR sidecar attest and
// release, on POST /key/release. Keys are kept and calls shared as those of any
// [Releaser].
//
// The sidecar shows neither the token nor the vault's signed answer. What it
// releases is compared with the public key that the vault publishes, which is
// read first, and whose version is then asked for; it costs one more request to
// the vault for each release. An identity that may release but not read leaves
// the check release.published-key passed with the text "not readable"; then the
// key is only known to be whole. When a vault refuses, the sidecar is asked for
// a token about this guest, and its claims are compared with the key's policy.
//
// Of opts, Roots and Algorithm do not count: the sidecar trusts its own roots,
// and lets the vault choose.
func NewSidecarReleaser(sidecar *SidecarClient, opts *ReleaserOptions) (*Releaser, error) {
	if sidecar == nil {
		return nil, errors.New("skr: new sidecar releaser: no sidecar; make one with NewSidecarClient")
	}
	r, err := NewReleaser(sidecar, opts)
	if err != nil {
		return nil, err
	}
	r.source = func(ctx context.Context, id releaseID) (*releasedMaterial, error) {
		return r.releaseBySidecar(ctx, sidecar, id)
	}
	return r, nil
}

type sidecarReleaseBody struct {
	MAAEndpoint string `json:"maa_endpoint"`
	AKVEndpoint string `json:"akv_endpoint"`
	KID         string `json:"kid"`
	AccessToken string `json:"access_token"`
}

// releaseBySidecar is one uncached release.
func (r *Releaser) releaseBySidecar(ctx context.Context, sidecar *SidecarClient, id releaseID) (*releasedMaterial, error) {
	ref := id.ref
	op := releaseOp(ref)
	asked := ref
	vault, err := r.vault(ref.VaultURL, id.cred)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	public, err := publishedKey(ctx, vault, ref)
	if err != nil {
		return nil, fmt.Errorf("%s: read the public key: %w", op, err)
	}
	if public != nil {
		ref.Version = public.version // no other key can take its place meanwhile
	}
	token, err := id.cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{sidecarScope(ref.VaultURL)}})
	if err != nil {
		return nil, fmt.Errorf("%s: access token: %w", op, err)
	}
	// Without a token the sidecar would use what identity it finds by itself.
	if token.Token == "" {
		return nil, fmt.Errorf("%s: the credential gave an empty access token", op)
	}
	o, err := sidecar.call(ctx, http.MethodPost, "/key/release", sidecarReleaseBody{
		bareHost(ref.AttestationURL), bareHost(ref.VaultURL), joinID(ref.Name, ref.Version), token.Token,
	})
	if err != nil {
		return nil, r.sidecarFailure(ctx, sidecar, vault, asked, err)
	}
	key, checks := openSidecarKey(o["key"], public, ref)
	if key == nil {
		return nil, check.Denied(op, "this program", checks, nil)
	}
	return &releasedMaterial{ref: ref, kind: kindRSA, rsa: key, checks: checks}, nil
}

// sidecarScope is for the resource of a vault's tokens, which is its host without
// the first label, as the vault's own challenge says it.
func sidecarScope(url string) string {
	_, resource, _ := strings.Cut(hostOf(url), ".")
	return "https://" + resource + "/.default"
}

// published is the public half that a vault shows.
type published struct {
	version string
	n, e    []byte
}

// publishedKey reads it; nil if the identity may not.
func publishedKey(ctx context.Context, vault *azkeys.Client, ref KeyRef) (*published, error) {
	resp, err := vault.GetKey(ctx, ref.Name, ref.Version, nil)
	if err != nil {
		err = explainService(err)
		var service *serviceError
		if errors.As(err, &service) {
			switch service.err.StatusCode {
			case http.StatusForbidden:
				return nil, nil
			case http.StatusNotFound:
				return nil, fmt.Errorf("%w; check the key's name and version, and that it was imported into this vault", err)
			}
		}
		return nil, err
	}
	if resp.Key == nil || resp.Key.KID == nil || len(resp.Key.N) == 0 {
		return nil, errors.New("the vault shows no RSA key under this name; release an RSA key: no other kind wraps the secrets of clean rooms")
	}
	rc := releaseCheck{ref: ref}
	version := versionOf(string(*resp.Key.KID))
	if rc.sameKey(string(*resp.Key.KID)) != nil || !validName(version) {
		return nil, fmt.Errorf("the vault answered about the key %q", shorten(string(*resp.Key.KID)))
	}
	return &published{version, resp.Key.N, resp.Key.E}, nil
}

// openSidecarKey reads the released key and compares it; nil if a check failed.
func openSidecarKey(raw json.RawMessage, public *published, ref KeyRef) (*rsa.PrivateKey, []Check) {
	var l checklist
	key, err := parseSidecarKey(raw)
	if !l.that("release.key-pair", "a private RSA key whose parts fit one another", describe(err, "a private RSA key whose parts fit one another"),
		"do not use this key: release an RSA key, and if it is one, look at the sidecar's log", err) {
		return nil, l.checks
	}
	if public == nil {
		l.that("release.published-key", "the key that "+ref.String()+" publishes", "not readable with this identity", "", nil)
		return key, l.checks
	}
	same := new(big.Int).SetBytes(public.n).Cmp(key.N) == 0 && new(big.Int).SetBytes(public.e).Cmp(big.NewInt(int64(key.E))) == 0
	got := "that key"
	if !same {
		got = "another key"
	}
	if !l.that("release.published-key", "the key that "+ref.String()+" publishes", got,
		"do not use this key: what answers on the sidecar's port did not get it from this vault", refuseIf(!same)) {
		return nil, l.checks
	}
	return key, l.checks
}

// sidecarFailure explains a refusal of the vault as one on the direct way.
func (r *Releaser) sidecarFailure(ctx context.Context, sidecar *SidecarClient, vault *azkeys.Client, ref KeyRef, err error) error {
	op := releaseOp(ref)
	var refused *SidecarError
	if !errors.As(err, &refused) {
		return fmt.Errorf("%s: %w", op, err)
	}
	if refused.attestation {
		return fmt.Errorf("%s: attest with %s: %w", op, hostOf(ref.AttestationURL), err)
	}
	switch refused.ServiceStatus {
	case http.StatusForbidden:
		return check.Denied(op, hostOf(ref.VaultURL), r.explainBySidecar(ctx, sidecar, vault, ref, refused), err)
	case http.StatusNotFound:
		return fmt.Errorf("%s: %w; check the key's name and version, and that it was imported into this vault", op, err)
	case http.StatusUnauthorized:
		return fmt.Errorf("%s: %w; check that the credential's tenant is the vault's", op, err)
	}
	return fmt.Errorf("%s: %w", op, err)
}

// explainBySidecar needs a token for its claims, about no key of anybody.
func (r *Releaser) explainBySidecar(ctx context.Context, sidecar *SidecarClient, vault *azkeys.Client, ref KeyRef, refused *SidecarError) []Check {
	token := &AttestationToken{}
	if refused.InnerCode != codeForbiddenByRBAC && refused.Code != codeForbiddenByRBAC {
		service, err := r.service(ref.AttestationURL)
		if err == nil {
			token, err = sidecar.token(ctx, service, []byte(`{"keys":[]}`))
		}
		if err != nil {
			return []Check{{
				ID: "release.policy", Want: "claims that meet the key's release policy", Got: "a token that the vault refused",
				Remedy: "compare this guest's claims with the key's release policy; they could not be got here: " + shorten(err.Error()), Err: errRefused,
			}}
		}
	}
	return explainForbidden(ctx, vault, ref, token, refused.service())
}

const codeForbiddenByRBAC = "ForbiddenByRbac"
