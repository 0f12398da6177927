package cleanroom_test

import (
	"bytes"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"io/fs"
	"slices"
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
	kek, pub, err := keys.ImportKEK(ctx, u.kek("wrap"), u.policyFor(right))
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
	want.VaultURL, want.Version = u.party.VaultURL, first.Version
	if first != want || first.Version == "" || second.Version == first.Version {
		u.Errorf("stored as %+v and %s", first, second)
	}
	newest := second
	newest.Version, newest.KEK.Version = "", ""
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
	if raw, err := base64.StdEncoding.DecodeString(*stored.Value); err != nil || len(raw) != 256 {
		u.Errorf("the value has %d bytes, %v", len(raw), err)
	}
	// After a rotation the old value still opens where its key does, and the
	// new one where the new policy says.
	rotated, pub, err := u.keys(cleanroom.KeysOptions{Rotate: true}).ImportKEK(ctx, u.kek("wrap"), u.policyFor(wrong))
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
		"managed HSM": {change(func(r *skr.SecretRef) { r.VaultURL = "https://x.ManagedHSM.azure.net" }), pub, canary, "holds keys only"},
		"no key":      {good, nil, canary, "ImportKEK returns it"},
		"no value":    {good, pub, nil, "empty"},
		"long value":  {good, pub, bytes.Repeat(canary, 7)[:191], "190"},
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

// document has two sinks and a log under one KEK, and one sink without a key.
func (u *vaultUser) document(kek string) *cleanroom.Specification {
	u.Helper()
	const account = "https://publishersa.blob.core.windows.net/"
	s := cleanroom.NewSpecification()
	u.must(
		s.AddIdentity("identity", u.party.AccountID, u.party.TenantID, ""),
		s.SetKEK(cleanroom.KEKStore{Key: kek, VaultURL: u.party.VaultURL + "/", AttestationURL: maaURL}),
	)
	u.must(
		s.AddDatasink(cleanroom.DatasinkOptions{Name: "output", ContainerURL: account + "out", Datastore: "store-1", Identity: "identity"}),
		s.AddDatasink(cleanroom.DatasinkOptions{Name: "part", ContainerURL: account + "out", Datastore: "store-1", Subdirectory: "part", Identity: "identity"}),
		s.AddDatasource(cleanroom.DatasourceOptions{Name: "input", ContainerURL: account + "input", Identity: "identity"}),
		s.SetLogging(cleanroom.DatasinkOptions{ContainerURL: account + "logs", Identity: "identity"}),
		s.AddDatasink(cleanroom.DatasinkOptions{Name: "plain", ContainerURL: account + "plain", Identity: "identity", Mode: "SSE"}),
	)
	return s
}

func testWrapDEKs(u *vaultUser) {
	ctx := u.Context()
	right, wrong := u.env.Launch([]byte("package policy # right\n")), u.env.Launch([]byte("package policy # wrong\n"))
	s := u.document("deks-kek")
	deks, _ := openDEKs(u.T)
	raw := map[string][]byte{}
	for _, store := range []string{"store-1", "input", "logs"} {
		k, err := deks.Create(store)
		raw[store] = rawKey(u.T, k, err)
	}
	names := []string{"output", "input", cleanroom.ApplicationTelemetry, "part"}
	u.must(u.keys(cleanroom.KeysOptions{}).WrapDEKs(ctx, s, names, deks, u.policyFor(right)))
	calls := u.calls()
	if n := len(slices.DeleteFunc(slices.Clone(calls), func(c string) bool { return !strings.HasPrefix(c, "PUT /keys/") })); n != 1 {
		u.Errorf("%d imports for one KEK: %v", n, calls)
	}
	// The names are those of the reference tools.
	for secret, store := range map[string]string{
		"wrapped-store-1-dek-deks-kek": "store-1",
		"wrapped-input-dek-deks-kek":   "input",
		"wrapped-logs-dek-deks-kek":    "logs",
	} {
		ref := u.secret(secret, "deks-kek")
		if got, err := u.unwrapIn(right, ref); err != nil || !bytes.Equal(got, raw[store]) {
			u.Errorf("%s: %d bytes, %v", secret, len(got), err)
		}
	}
	got, err := u.unwrapIn(wrong, u.secret("wrapped-logs-dek-deks-kek", "deks-kek"))
	u.wantDenied(got, err)
	// And what the document tells a room leads to the same.
	sink, err := s.Sink("output")
	u.must(err)
	env, err := sink.SinkEnvironment()
	u.must(err)
	if got, err := u.unwrapIn(right, env.DEK); err != nil || !bytes.Equal(got, raw["store-1"]) {
		u.Errorf("by the environment: %d bytes, %v", len(got), err)
	}

	// Again: the same key, the same data keys, and the older values kept.
	before, err := u.secrets().GetSecret(ctx, "wrapped-input-dek-deks-kek", "", nil)
	u.must(err)
	u.calls()
	u.must(u.keys(cleanroom.KeysOptions{}).WrapDEKs(ctx, s, []string{"input"}, deks, u.policyFor(right)))
	if calls := u.calls(); !slices.Equal(calls, []string{"GET /keys/deks-kek/", "PUT /secrets/wrapped-input-dek-deks-kek"}) {
		u.Errorf("calls %v", calls)
	}
	old := u.secret("wrapped-input-dek-deks-kek", "deks-kek")
	old.Version = before.ID.Version()
	for _, ref := range []skr.SecretRef{old, u.secret("wrapped-input-dek-deks-kek", "deks-kek")} {
		if got, err := u.unwrapIn(right, ref); err != nil || !bytes.Equal(got, raw["input"]) {
			u.Errorf("%s: %d bytes, %v", ref, len(got), err)
		}
	}

	// A new policy: refused without Rotate, with nothing wrapped; then for the
	// new room alone.
	u.calls()
	err = u.keys(cleanroom.KeysOptions{}).WrapDEKs(ctx, s, names, deks, u.policyFor(wrong))
	var denied *cleanroom.KEKPolicyError
	if !errors.As(err, &denied) || !strings.Contains(err.Error(), `access point "output"`) {
		u.Errorf("another policy: %v", err)
	}
	if calls := u.calls(); !slices.Equal(calls, []string{"GET /keys/deks-kek/"}) {
		u.Errorf("calls %v", calls)
	}
	u.must(u.keys(cleanroom.KeysOptions{Rotate: true}).WrapDEKs(ctx, s, names, deks, u.policyFor(wrong)))
	if got, err := u.unwrapIn(wrong, env.DEK); err != nil || !bytes.Equal(got, raw["store-1"]) {
		u.Errorf("after the rotation: %d bytes, %v", len(got), err)
	}
	got, err = u.unwrapIn(right, env.DEK)
	u.wantDenied(got, err)
}

func testWrapDEKsRefuses(u *vaultUser) {
	policy := u.policyFor(u.env.Launch([]byte("package policy\n")))
	deks, _ := openDEKs(u.T)
	k, err := deks.Create("store-1")
	rawKey(u.T, k, err)
	changed := func(change func(*cleanroom.AccessPoint)) *cleanroom.Specification {
		s := u.document("refused-kek")
		a, err := s.Sink("output")
		u.must(err)
		change(a)
		return s
	}
	good := u.document("refused-kek")
	for name, c := range map[string]struct {
		s      *cleanroom.Specification
		names  []string
		deks   *cleanroom.DEKStore
		policy *skr.ReleasePolicy
		say    string
	}{
		"no document":  {nil, []string{"output"}, deks, policy, "required"},
		"no names":     {good, nil, deks, policy, "required"},
		"no store":     {good, []string{"output"}, nil, policy, "required"},
		"unknown name": {good, []string{"output", "nobody"}, deks, policy, `no datasink "nobody"`},
		"no data key":  {good, []string{"output", "plain"}, deks, policy, `"plain" has no data key`},
		"no policy":    {good, []string{"output"}, deks, nil, "no release policy"},
		"bad name":     {changed(func(a *cleanroom.AccessPoint) { a.Protection.EncryptionSecrets.DEK.Secret.BackingResource.Name = "a/b" }), []string{"output"}, deks, policy, "kid"},
		"kept by service": {changed(func(a *cleanroom.AccessPoint) {
			a.Protection.EncryptionSecrets.DEK.Secret.BackingResource.Type = cleanroom.CGSResource
		}), []string{"output"}, deks, policy, "lies in Cgs"},
		"one name for two": {changed(func(a *cleanroom.AccessPoint) {
			a.Protection.EncryptionSecrets.DEK.Secret.BackingResource.Name = "wrapped-input-dek-refused-kek"
		}), []string{"output", "input"}, deks, policy, `the data stores "store-1" and "input" would both be`},
	} {
		err := u.keys(cleanroom.KeysOptions{}).WrapDEKs(u.Context(), c.s, c.names, c.deks, c.policy)
		if err == nil || !strings.Contains(err.Error(), c.say) || !strings.HasPrefix(err.Error(), "cleanroom: wrap DEKs") {
			u.Errorf("%s: want %q, got %v", name, c.say, err)
		}
	}
	if calls := u.calls(); len(calls) > 0 {
		u.Errorf("calls %v", calls)
	}
	err = u.keys(cleanroom.KeysOptions{}).WrapDEKs(u.Context(), good, []string{"output", "input"}, deks, policy)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), `access point "input"`) {
		u.Errorf("a data key that is not there: %v", err)
	}
}
