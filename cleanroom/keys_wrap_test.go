package cleanroom_test

import (
	"bytes"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/skr"
)

func (u *vaultUser) secrets() *azsecrets.Client {
	u.Helper()
	c, err := azsecrets.NewClient(u.party.VaultURL, u.conn.Credential(), &azsecrets.ClientOptions{ClientOptions: u.conn.ClientOptions()})
	u.must(err)
	return c
}

// wantDenied is the refusal of a release by the policy of the key.
func (u *vaultUser) wantDenied(got []byte, err error) {
	u.Helper()
	var denied *skr.DeniedError
	if !errors.As(err, &denied) || got != nil || !strings.Contains(err.Error(), "x-ms-sevsnpvm-hostdata") {
		u.Errorf("a room of another policy: %d bytes, %v", len(got), err)
	}
}

// A secret leaves one party's memory and appears in a room of the accepted
// policy, and in no other.
func testWrapSecret(u *vaultUser) {
	ctx, keys := u.Context(), u.keys(cleanroom.KeysOptions{})
	right, wrong := u.env.Launch([]byte("package policy # right\n")), u.env.Launch([]byte("package policy # wrong\n"))
	kek, pub, err := keys.ImportKEK(ctx, u.kek("wrap"), u.policyFor(right), nil)
	u.must(err)
	secret := u.secret("wrapped-db-password", "wrap")
	secret.KEK = kek
	secret.VaultURL += "/"
	first, err := keys.WrapSecret(ctx, secret, pub, []byte("pässword 1"))
	u.must(err, first.Validate())
	longest := bytes.Repeat([]byte{0xff}, 190)
	second, err := keys.WrapSecret(ctx, secret, pub, longest)
	u.must(err)
	want := secret
	want.VaultURL, want.Version, want.Digest = u.party.VaultURL, first.Version, first.Digest
	if first != want || first.Version == "" || second.Version == first.Version {
		u.Errorf("stored as %+v and %s", first, second)
	}
	newest := second
	newest.Version, newest.KEK.Version, newest.Digest = "", "", [32]byte{}
	for _, c := range []struct {
		ref  skr.SecretRef
		want []byte
	}{{first, []byte("pässword 1")}, {second, longest}, {newest, longest}} {
		if got, err := u.unwrapIn(right, c.ref); err != nil || !bytes.Equal(got, c.want) {
			u.Errorf("%s: %q, %v", c.ref, got, err)
		}
	}
	got, err := u.unwrapIn(wrong, first)
	u.wantDenied(got, err)
	stored, err := u.secrets().GetSecret(ctx, "wrapped-db-password", first.Version, nil)
	u.must(err)
	tags := map[string]string{}
	for k, v := range stored.Tags {
		tags[k] = *v
	}
	if len(tags) != 3 || tags[skr.TagKEK] != "wrap" || tags[skr.TagKEKVersion] != kek.Version || tags[skr.TagAlgorithm] != "RSA-OAEP-256" {
		u.Errorf("tags %v", tags)
	}
	if raw, err := base64.StdEncoding.DecodeString(*stored.Value); err != nil || len(raw) != 256 || first.Digest != skr.WrappedDigest(raw) {
		u.Errorf("the value has %d bytes, pinned as %x, %v", len(raw), first.Digest, err)
	}
	// After a rotation the old value still opens where its key does, and the
	// new one where the new policy says.
	rotated, pub, err := u.keys(cleanroom.KeysOptions{}).ImportKEK(ctx, u.kek("wrap"), u.policyFor(wrong), &cleanroom.ImportKEKOptions{Rotate: true})
	u.must(err)
	secret.KEK = rotated
	third, err := keys.WrapSecret(ctx, secret, pub, []byte("password 3"))
	u.must(err)
	if got, err := u.unwrapIn(right, first); err != nil || string(got) != "pässword 1" {
		u.Errorf("after the rotation: %q, %v", got, err)
	}
	got, err = u.unwrapIn(right, third)
	u.wantDenied(got, err)
	if got, err := u.unwrapIn(wrong, third); err != nil || string(got) != "password 3" {
		u.Errorf("after the rotation: %q, %v", got, err)
	}
}

func testWrapSecretRefuses(u *vaultUser) {
	pub := &testRSA(u.T, 2048).PublicKey
	canary := []byte("canary-of-a-secret-that-stays")
	change := func(change func(*skr.SecretRef)) skr.SecretRef {
		ref := u.secret("never", "kek")
		change(&ref)
		return ref
	}
	good := change(func(*skr.SecretRef) {})
	for name, c := range map[string]struct {
		ref   skr.SecretRef
		pub   *rsa.PublicKey
		value []byte
		say   string
	}{
		"version":     {change(func(r *skr.SecretRef) { r.Version = "1" }), pub, canary, "names a version"},
		"managed HSM": {change(func(r *skr.SecretRef) { r.VaultURL = "https://x.ManagedHSM.azure.net" }), pub, canary, "holds keys"},
		"no key":      {good, nil, canary, "ImportKEK returns it"},
		"no value":    {good, pub, nil, "empty"},
		"long value":  {good, pub, bytes.Repeat(canary, 637)[:18457], "18456"},
		"pinned":      {change(func(r *skr.SecretRef) { r.Digest[0] = 1 }), pub, canary, "each wrapping makes another"},
		"no name":     {change(func(r *skr.SecretRef) { r.Name = "" }), pub, canary, "kid"},
		"path":        {change(func(r *skr.SecretRef) { r.Name = "a/b" }), pub, canary, "kid"},
		"no identity": {change(func(r *skr.SecretRef) { r.ClientID = "" }), pub, canary, "clientId"},
		"no KEK":      {change(func(r *skr.SecretRef) { r.KEK = skr.KeyRef{} }), pub, canary, "kek"},
		"weak key":    {good, &testRSA(u.T, 1024).PublicKey, bytes.Repeat(canary, 3), ""},
	} {
		ref, err := u.keys(cleanroom.KeysOptions{}).WrapSecret(u.Context(), c.ref, c.pub, c.value)
		if err == nil || ref != (skr.SecretRef{}) || !strings.Contains(err.Error(), c.say) || !strings.HasPrefix(err.Error(), "cleanroom: wrap secret") || strings.Contains(err.Error(), "canary") {
			u.Errorf("%s: want %q, got %v", name, c.say, err)
		}
	}
	if calls := u.calls(); len(calls) > 0 {
		u.Errorf("calls %v", calls)
	}
	var missing *azcore.ResponseError
	if _, err := u.secrets().GetSecret(u.Context(), "never", "", nil); !errors.As(err, &missing) || missing.StatusCode != 404 {
		u.Errorf("something was stored: %v", err)
	}
}
