package cleanroom_test

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/cleanroom-go/sdk/cleanroom"
	"github.com/cleanroom-go/sdk/cleanroom/cleanroomtest"
	"github.com/cleanroom-go/sdk/skr"
)

// TestKeys shares one environment among tests that use names of their own.
func TestKeys(t *testing.T) {
	env, err := cleanroomtest.Start(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := env.Close(); err != nil {
			t.Error(err)
		}
	}()
	party, err := env.Party(cleanroomtest.Publisher)
	if err != nil {
		t.Fatal(err)
	}
	wire := &heldWire{}
	conn, err := env.Connect(cleanroomtest.Publisher, &cleanroomtest.ConnOptions{Wrap: wire.wrap})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, test := range []struct {
		name string
		run  func(*vaultUser)
	}{
		{"Import", testImport},
		{"OtherPolicy", testOtherPolicy},
		{"UnusableKeys", testUnusableKeys},
		{"ImportArguments", testImportArguments},
		{"RacedImport", testRacedImport},
		{"ChangedAnswers", testChangedAnswers},
		{"VaultRefusals", testVaultRefusals},
		{"LongAnswers", testLongAnswers},
		{"PrivateKeyStays", testPrivateKeyStays},
		{"WrapSecret", testWrapSecret},
		{"WrapSecretRefuses", testWrapSecretRefuses},
		{"LostAnswers", testLostAnswers},
		{"Pins", testPins},
		{"SecretsStay", testSecretsStay},
		{"ImportFile", testImportFile},
		{"ManagedHSM", testManagedHSM},
		{"GenuineRequests", testGenuineRequests},
		{"GenuineSteps", testGenuineSteps},
		{"WrapDEKs", testWrapDEKs},
		{"WrapDEKsRefuses", testWrapDEKsRefuses},
	} {
		t.Run(test.name, func(t *testing.T) {
			u := &vaultUser{T: t, env: env, party: party, conn: conn, wire: wire}
			u.calls()
			test.run(u)
		})
	}
}

// A new key is what the contract says, and the second import finds it.
func testImport(u *vaultUser) {
	ctx, guest := u.Context(), u.env.Launch([]byte("package policy\n"))
	policy := u.policyFor(guest)
	ref, pub, err := u.keys(cleanroom.KeysOptions{}).ImportKEK(ctx, u.kek("new"), policy, nil)
	u.must(err, ref.Validate())
	if ref.Version == "" || ref.Name != "new" || pub.N.BitLen() != 2048 || pub.E != 65537 {
		u.Errorf("%+v, %d bits", ref, pub.N.BitLen())
	}
	if calls := u.calls(); !slices.Equal(calls, []string{"GET /keys/new/", "PUT /keys/new", "GET /keys/new/"}) {
		u.Errorf("calls %v", calls)
	}
	stored, err := u.vault().GetKey(ctx, "new", "", nil)
	u.must(err)
	var ops []string
	for _, op := range stored.Key.KeyOps {
		ops = append(ops, string(*op))
	}
	if *stored.Key.Kty != azkeys.KeyTypeRSAHSM || !slices.Equal(ops, []string{"encrypt", "wrapKey"}) || !*stored.Attributes.Exportable || !*stored.Attributes.Enabled {
		u.Errorf("stored as %s with %v", *stored.Key.Kty, ops)
	}
	if got, err := skr.ParseReleasePolicy(stored.ReleasePolicy.EncodedPolicy); err != nil || !got.Equal(policy) || *stored.ReleasePolicy.Immutable {
		u.Errorf("stored under %s, %v", got, err)
	}
	u.calls()
	// Again, by another client, with the vault's address as a document has it,
	// and asked to rotate what needs no rotation.
	again := u.kek("new")
	again.VaultURL += "/"
	second, secondPub, err := u.keys(cleanroom.KeysOptions{}).ImportKEK(ctx, again, policy, &cleanroom.ImportKEKOptions{Rotate: true})
	u.must(err)
	if second != ref || !secondPub.Equal(pub) {
		u.Errorf("imported again as %s", second)
	}
	if calls := u.calls(); !slices.Equal(calls, []string{"GET /keys/new/"}) {
		u.Errorf("calls %v", calls)
	}
}

func testOtherPolicy(u *vaultUser) {
	ctx := u.Context()
	first, second := u.env.Launch([]byte("package policy # 1\n")), u.env.Launch([]byte("package policy # 2\n"))
	old, err := func() (skr.KeyRef, error) {
		ref, _, err := u.keys(cleanroom.KeysOptions{}).ImportKEK(ctx, u.kek("policy"), u.policyFor(first), nil)
		return ref, err
	}()
	u.must(err)
	for name, policy := range map[string]*skr.ReleasePolicy{"another": u.policyFor(second), "a wider one": u.policyFor(first, second)} {
		_, pub, err := u.keys(cleanroom.KeysOptions{}).ImportKEK(ctx, u.kek("policy"), policy, nil)
		var denied *cleanroom.KEKPolicyError
		if !errors.As(err, &denied) || pub != nil {
			u.Fatalf("%s: %v", name, err)
		}
		if denied.Key != old || !denied.Want.Equal(policy) || !denied.Got.Equal(u.policyFor(first)) {
			u.Errorf("%s: %+v", name, denied)
		}
		var failed []string
		for _, c := range denied.Checks {
			if !c.OK() {
				failed = append(failed, c.ID)
			}
		}
		if len(denied.Checks) != 5 || !slices.Equal(failed, []string{"kek.release-policy"}) {
			u.Errorf("%s: failed %v", name, failed)
		}
		h := first.HostData()
		for _, part := range []string{"cleanroom: import KEK", old.String(), hex.EncodeToString(h[:]), policy.String(), "ImportKEKOptions.Rotate", "wrapped again"} {
			if !strings.Contains(err.Error(), part) {
				u.Errorf("%s: the error has no %q:\n%v", name, part, err)
			}
		}
	}
	// The order of branches says nothing.
	wide, _, err := u.keys(cleanroom.KeysOptions{}).ImportKEK(ctx, u.kek("policy"), u.policyFor(first, second), &cleanroom.ImportKEKOptions{Rotate: true})
	u.must(err)
	same, _, err := u.keys(cleanroom.KeysOptions{}).ImportKEK(ctx, u.kek("policy"), u.policyFor(second, first), nil)
	u.must(err)
	if wide == old || same != wide {
		u.Errorf("versions %s, %s, %s", old, wide, same)
	}
	// A rotated key leaves the old version where it was.
	if _, err := u.vault().GetKey(ctx, "policy", old.Version, nil); err != nil {
		u.Error(err)
	}
}

// Keys that somebody else left under the name.
func testUnusableKeys(u *vaultUser) {
	policy := u.policyFor(u.env.Launch([]byte("package policy\n")))
	cases := []struct {
		name, failed, remedy string
		change               func(*azkeys.ImportKeyParameters)
	}{
		{"plain", "kek.release-policy kek.exportable", "never makes a key exportable", func(p *azkeys.ImportKeyParameters) {
			p.KeyAttributes.Exportable, p.ReleasePolicy = nil, nil
		}},
		{"software", "kek.release-policy kek.exportable kek.type", "never makes a key exportable", func(p *azkeys.ImportKeyParameters) {
			p.KeyAttributes.Exportable, p.ReleasePolicy, p.HSM = nil, nil, nil
		}},
		{"decrypting", "kek.operations", "ImportKEKOptions.Rotate", operations(azkeys.KeyOperationEncrypt, azkeys.KeyOperationDecrypt)},
		{"unwrapping", "kek.operations", "ImportKEKOptions.Rotate", operations(azkeys.KeyOperationWrapKey, azkeys.KeyOperationUnwrapKey)},
		{"signing", "kek.operations", "ImportKEKOptions.Rotate", operations(azkeys.KeyOperationSign)},
		{"everything", "kek.operations", "ImportKEKOptions.Rotate", operations()}, // none given means all
		{"disabled", "kek.enabled", "ImportKEKOptions.Rotate", func(p *azkeys.ImportKeyParameters) { p.KeyAttributes.Enabled = to.Ptr(false) }},
	}
	for _, c := range cases {
		u.importBy(c.name, c.change, policy)
		_, pub, err := u.keys(cleanroom.KeysOptions{}).ImportKEK(u.Context(), u.kek(c.name), policy, nil)
		var denied *cleanroom.KEKPolicyError
		if !errors.As(err, &denied) || pub != nil {
			u.Errorf("%s: used, %v", c.name, err)
			continue
		}
		var failed []string
		for _, check := range denied.Checks {
			if !check.OK() {
				failed = append(failed, check.ID)
				if check.Want == check.Got {
					u.Errorf("%s: %s wants what it got", c.name, check.ID)
				}
			}
		}
		if got := strings.Join(failed, " "); got != c.failed || !strings.Contains(err.Error(), c.remedy) {
			u.Errorf("%s: want %s, got %s: %v", c.name, c.failed, got, err)
		}
		if c.name != "plain" && c.name != "decrypting" {
			continue // one of each remedy
		}
		ref, _, err := u.keys(cleanroom.KeysOptions{}).ImportKEK(u.Context(), u.kek(c.name), policy, &cleanroom.ImportKEKOptions{Rotate: true})
		if c.remedy != "ImportKEKOptions.Rotate" {
			// The vault keeps what a key once was; nothing was changed.
			var refused *azcore.ResponseError
			if !errors.As(err, &refused) || refused.StatusCode != http.StatusBadRequest {
				u.Errorf("%s: rotated, %v", c.name, err)
			}
		} else if err != nil || ref.Version == denied.Key.Version {
			u.Errorf("%s: not rotated, %v", c.name, err)
		}
	}
	if len(cases) != 7 {
		u.Errorf("%d cases, want 7", len(cases))
	}
	// What is more than needed serves.
	u.importBy("verifying", operations(azkeys.KeyOperationWrapKey, azkeys.KeyOperationVerify), policy)
	if _, _, err := u.keys(cleanroom.KeysOptions{}).ImportKEK(u.Context(), u.kek("verifying"), policy, nil); err != nil {
		u.Error(err)
	}
}

// What cannot be meant costs no call.
func testImportArguments(u *vaultUser) {
	policy := u.policyFor(u.env.Launch([]byte("package policy\n")))
	two, err := skr.ParseReleasePolicy([]byte(`{"version":"1.0.0","anyOf":[` +
		`{"authority":"` + maaURL + `","allOf":[{"claim":"x","equals":"y"}]},{"authority":"https://evil.attest.azure.net","allOf":[{"claim":"x","equals":"y"}]}]}`))
	u.must(err)
	change := func(change func(*skr.KeyRef)) skr.KeyRef {
		ref := u.kek("args")
		change(&ref)
		return ref
	}
	for name, c := range map[string]struct {
		ref    skr.KeyRef
		policy *skr.ReleasePolicy
		say    string
	}{
		"no policy":         {u.kek("args"), nil, "ReleasePolicyFor"},
		"version":           {change(func(r *skr.KeyRef) { r.Version = "1" }), policy, "names a version"},
		"other attestation": {change(func(r *skr.KeyRef) { r.AttestationURL = "https://other.attest.azure.net" }), policy, "the policy names the attestation service"},
		"two attestations":  {u.kek("args"), two, "evil.attest.azure.net"},
		"no name":           {change(func(r *skr.KeyRef) { r.Name = "" }), policy, "kid"},
		"name is a path":    {change(func(r *skr.KeyRef) { r.Name = "../secrets/x" }), policy, "kid"},
		"plain vault":       {change(func(r *skr.KeyRef) { r.VaultURL = "http://publisherkv.vault.azure.net" }), policy, "https"},
		"no attestation":    {change(func(r *skr.KeyRef) { r.AttestationURL = "" }), policy, "maaEndpoint"},
	} {
		ref, pub, err := u.keys(cleanroom.KeysOptions{}).ImportKEK(u.Context(), c.ref, c.policy, &cleanroom.ImportKEKOptions{Rotate: true})
		if err == nil || pub != nil || ref != (skr.KeyRef{}) || !strings.Contains(err.Error(), c.say) || !strings.HasPrefix(err.Error(), "cleanroom: import KEK") {
			u.Errorf("%s: want %q, got %v", name, c.say, err)
		}
	}
	if calls := u.calls(); len(calls) > 0 {
		u.Errorf("calls %v", calls)
	}
	if _, err := cleanroom.NewKeys(nil, nil); err == nil {
		u.Error("keys without a credential")
	}
	cancelled, cancel := context.WithCancel(u.Context())
	cancel()
	if _, _, err := u.keys(cleanroom.KeysOptions{}).ImportKEK(cancelled, u.kek("args"), policy, nil); !errors.Is(err, context.Canceled) {
		u.Errorf("cancelled: %v", err)
	}
}

// Another import between ours and its reading back is noticed: the room would
// get that other key.
func testRacedImport(u *vaultUser) {
	policy, other := u.policyFor(u.env.Launch([]byte("package policy # a\n"))), u.policyFor(u.env.Launch([]byte("package policy # b\n")))
	for name, theirs := range map[string]*skr.ReleasePolicy{"raced": policy, "raced-policy": other} {
		raced := false // their own request passes here too
		u.hold(nil, func(req *http.Request) {
			if !raced && req.Method == http.MethodPut && req.Header.Get("Authorization") != "" {
				raced = true
				u.importBy(name, func(*azkeys.ImportKeyParameters) {}, theirs)
			}
		})
		_, pub, err := u.keys(cleanroom.KeysOptions{}).ImportKEK(u.Context(), u.kek(name), policy, nil)
		if err == nil || pub != nil || !strings.Contains(err.Error(), "read back") {
			u.Errorf("%s: %v", name, err)
			continue
		}
		var denied *cleanroom.KEKPolicyError
		if errors.As(err, &denied) != (theirs == other) || theirs == policy && !strings.Contains(err.Error(), "somebody else imports the same name") {
			u.Errorf("%s: %v", name, err)
		}
	}
}
