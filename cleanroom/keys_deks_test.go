package cleanroom_test

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/skr"
)

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
	stored, err := u.keys(cleanroom.KeysOptions{}).WrapDEKs(ctx, s, names, deks, u.policyFor(right))
	u.must(err)
	calls := u.calls()
	if n := len(slices.DeleteFunc(slices.Clone(calls), func(c string) bool { return !strings.HasPrefix(c, "PUT /secrets/") })); n != 3 {
		u.Errorf("%d secrets for three data keys: %v", n, calls)
	}
	if n := len(slices.DeleteFunc(slices.Clone(calls), func(c string) bool { return !strings.HasPrefix(c, "PUT /keys/") })); n != 1 {
		u.Errorf("%d imports for one KEK: %v", n, calls)
	}
	// What comes back pins each key, also when others follow.
	if len(stored) != len(names) || stored[3] != stored[0] {
		u.Fatalf("stored %v", stored)
	}
	for i, store := range []string{"store-1", "input", "logs", "store-1"} {
		ref := stored[i]
		want := u.secret("wrapped-"+store+"-dek-deks-kek", "deks-kek")
		want.Version, want.KEK.Version, want.Digest = ref.Version, ref.KEK.Version, ref.Digest
		if ref != want || ref.Version == "" || ref.CheckPinned() != nil {
			u.Errorf("%s: %+v", names[i], ref)
		}
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
	again, err := u.keys(cleanroom.KeysOptions{}).WrapDEKs(ctx, s, []string{"input"}, deks, u.policyFor(right))
	u.must(err)
	if len(again) != 1 || again[0].Version == stored[1].Version || again[0].KEK != stored[1].KEK {
		u.Errorf("stored %v", again)
	}
	if calls := u.calls(); !slices.Equal(calls, []string{"GET /keys/deks-kek/", "PUT /secrets/wrapped-input-dek-deks-kek"}) {
		u.Errorf("calls %v", calls)
	}
	old := u.secret("wrapped-input-dek-deks-kek", "deks-kek")
	old.Version = before.ID.Version()
	for _, ref := range []skr.SecretRef{old, stored[1], again[0], u.secret("wrapped-input-dek-deks-kek", "deks-kek")} {
		if got, err := u.unwrapIn(right, ref); err != nil || !bytes.Equal(got, raw["input"]) {
			u.Errorf("%s: %d bytes, %v", ref, len(got), err)
		}
	}

	// A new policy: refused, with nothing wrapped; after somebody rotated the
	// KEK on purpose, for the new room alone.
	u.calls()
	_, err = u.keys(cleanroom.KeysOptions{}).WrapDEKs(ctx, s, names, deks, u.policyFor(wrong))
	var denied *cleanroom.KEKPolicyError
	if !errors.As(err, &denied) || !strings.Contains(err.Error(), `access point "output"`) {
		u.Errorf("another policy: %v", err)
	}
	if calls := u.calls(); !slices.Equal(calls, []string{"GET /keys/deks-kek/"}) {
		u.Errorf("calls %v", calls)
	}
	_, _, err = u.keys(cleanroom.KeysOptions{}).ImportKEK(ctx, u.kek("deks-kek"), u.policyFor(wrong), &cleanroom.ImportKEKOptions{Rotate: true})
	u.must(err)
	_, err = u.keys(cleanroom.KeysOptions{}).WrapDEKs(ctx, s, names, deks, u.policyFor(wrong))
	u.must(err)
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
		"one name for two in other case": {changed(func(a *cleanroom.AccessPoint) {
			a.Protection.EncryptionSecrets.DEK.Secret.BackingResource.Name = "Wrapped-INPUT-dek-refused-kek"
			a.Protection.EncryptionSecrets.DEK.Secret.BackingResource.Provider.URL = strings.ToUpper(u.party.VaultURL[8:])
		}), []string{"output", "input"}, deks, policy, `the data stores "store-1" and "input" would both be`},
		"one key under two KEKs": {changed(func(a *cleanroom.AccessPoint) {
			kek := *a.Protection.EncryptionSecrets.KEK
			kek.Secret.BackingResource.Name = "other-kek"
			a.Protection.EncryptionSecrets = &cleanroom.EncryptionSecrets{DEK: a.Protection.EncryptionSecrets.DEK, KEK: &kek}
		}), []string{"output", "part"}, deks, policy, "one KEK"},
		"managed HSM": {changed(func(a *cleanroom.AccessPoint) {
			a.Protection.EncryptionSecrets.DEK.Secret.BackingResource.Provider.URL = "https://x.managedhsm.azure.net/"
		}), []string{"output"}, deks, policy, "holds keys and no secrets"},
		"policy of another service, late": {changed(func(a *cleanroom.AccessPoint) {
			a.Protection.EncryptionSecrets.KEK.Secret.BackingResource.Provider.Configuration = cleanroom.EncodeConfiguration(map[string]string{"authority": "https://other.attest.azure.net"})
		}), []string{"part", "output"}, deks, policy, "attestation service"},
	} {
		stored, err := u.keys(cleanroom.KeysOptions{}).WrapDEKs(u.Context(), c.s, c.names, c.deks, c.policy)
		if err == nil || stored != nil || !strings.Contains(err.Error(), c.say) || !strings.HasPrefix(err.Error(), "cleanroom: wrap DEKs") {
			u.Errorf("%s: want %q, got %v", name, c.say, err)
		}
	}
	_, err = u.keys(cleanroom.KeysOptions{}).WrapDEKs(u.Context(), good, []string{"output", "input"}, deks, policy)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), `access point "input"`) {
		u.Errorf("a data key that is not there: %v", err)
	}
	// Nothing was written for what could not become whole.
	if calls := u.calls(); len(calls) > 0 {
		u.Errorf("calls %v", calls)
	}
}
