package vault

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/go-jose/go-jose/v4"

	"github.com/cleanroom-go/sdk/internal/emulator/wire"
	"github.com/cleanroom-go/sdk/internal/keywrap"
	"github.com/cleanroom-go/sdk/skr"
)

// released is the payload of a release answer.
type released struct {
	Request struct {
		APIVersion string `json:"api-version"`
		Enc        keywrap.Algorithm
		Kid, Nonce string
	}
	Response struct {
		Key struct {
			Key        publicKey
			Attributes attributes
			Policy     policyJSON `json:"release_policy"`
		}
	}
}

// open verifies a release answer as a client must and reads its payload.
func (w *world) open(t *testing.T, raw string) *released {
	t.Helper()
	jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256})
	must(t, err)
	header := jws.Signatures[0].Header
	chains, err := header.Certificates(x509.VerifyOptions{Roots: w.signing.Pool(), DNSName: vaultHost})
	must(t, err)
	leaf := chains[0][0]
	payload, err := jws.Verify(leaf.PublicKey)
	must(t, err)
	sum1, sum256 := sha1.Sum(leaf.Raw), sha256.Sum256(leaf.Raw)
	if header.KeyID != strings.ToUpper(hex.EncodeToString(sum1[:])) {
		t.Errorf("kid %s is not the leaf's SHA-1", header.KeyID)
	}
	if header.ExtraHeaders["x5t"] != wire.Encode64(sum1[:]) || header.ExtraHeaders["x5t#S256"] != wire.Encode64(sum256[:]) {
		t.Errorf("thumbprints %v", header.ExtraHeaders)
	}
	var protected struct{ X5c []string }
	head, err := wire.Decode64(strings.Split(raw, ".")[0])
	must(t, err)
	must(t, json.Unmarshal(head, &protected))
	if len(protected.X5c) != 3 {
		t.Errorf("x5c has %d certificates, want leaf, issuing authority and root", len(protected.X5c))
	}
	out := &released{}
	must(t, wire.Unmarshal(payload, out))
	return out
}

// unwrap opens the wrapped key inside with the transfer key.
func (w *world) unwrap(t *testing.T, r *released) *rsa.PrivateKey {
	t.Helper()
	inner, err := base64.RawURLEncoding.DecodeString(r.Response.Key.Key.KeyHSM)
	must(t, err)
	var hsm struct {
		Header struct {
			Kid, Alg string
			Enc      keywrap.Algorithm
		}
		Ciphertext string
	}
	must(t, json.Unmarshal(inner, &hsm))
	if hsm.Header.Kid != "transfer" || hsm.Header.Alg != "dir" || hsm.Header.Enc != r.Request.Enc {
		t.Errorf("key_hsm header %+v", hsm.Header)
	}
	blob, err := base64.RawURLEncoding.DecodeString(hsm.Ciphertext)
	must(t, err)
	der, err := keywrap.UnwrapRSAAES(w.transfer, hsm.Header.Enc, blob)
	must(t, err)
	key, err := x509.ParsePKCS8PrivateKey(der)
	must(t, err)
	return key.(*rsa.PrivateKey)
}

// The whole way by hand: import, wrap a secret, attest, release, unwrap.
func TestWalkThrough(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	imported := w.importKEK(t, "kek")
	if *imported.Key.Kty != azkeys.KeyTypeRSAHSM || imported.Key.KID.Name() != "kek" || imported.Key.KID.Version() == "" || imported.Key.D != nil {
		t.Errorf("imported %+v", imported.Key)
	}
	got, err := w.keys(t, w.operatorIdentity).GetKey(ctx, "kek", "", nil)
	must(t, err)
	stored, err := skr.ParseReleasePolicy(got.ReleasePolicy.EncodedPolicy)
	must(t, err)
	if string(stored.Encode()) != string(w.roomPolicy(t)) || *got.ReleasePolicy.Immutable || !*got.Attributes.Exportable {
		t.Errorf("policy %s, attributes %+v", stored, got.Attributes)
	}

	pub := &rsa.PublicKey{N: w.kek.N, E: w.kek.E}
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, pub, []byte("db password"), nil)
	must(t, err)
	_, err = w.secrets(t, w.operatorIdentity).SetSecret(ctx, "wrapped", azsecrets.SetSecretParameters{Value: to.Ptr(base64.StdEncoding.EncodeToString(wrapped))}, nil)
	must(t, err)

	token := w.attest(t, maaHost, w.guest, w.runtimeData())
	for _, alg := range []keywrap.Algorithm{"", keywrap.CKMRSAAES, keywrap.RSAAES256, keywrap.RSAAES384} {
		p := azkeys.ReleaseParameters{TargetAttestationToken: &token, Nonce: to.Ptr("n1")}
		if alg != "" {
			p.Algorithm = to.Ptr(azkeys.KeyEncryptionAlgorithm(alg))
		}
		res, err := w.keys(t, w.roomCredential).Release(ctx, "kek", "", p, nil)
		must(t, err)
		r := w.open(t, *res.Value)
		want := alg
		if want == "" {
			want = keywrap.CKMRSAAES
		}
		if r.Request.Enc != want || r.Request.Kid != "https://"+vaultHost+"/keys/kek" || r.Request.Nonce != "n1" || r.Request.APIVersion == "" {
			t.Errorf("request %+v", r.Request)
		}
		if r.Response.Key.Key.KeyID != string(*imported.Key.KID) || r.Response.Key.Key.Kty != "RSA-HSM" || r.Response.Key.Policy.Data == "" {
			t.Errorf("response %+v", r.Response.Key)
		}
		if key := w.unwrap(t, r); !key.Equal(w.kek) {
			t.Fatal("another key was released than imported")
		}
	}

	s, err := w.secrets(t, w.roomCredential).GetSecret(ctx, "wrapped", "", nil)
	must(t, err)
	blob, err := base64.StdEncoding.DecodeString(*s.Value)
	must(t, err)
	plain, err := rsa.DecryptOAEP(sha256.New(), nil, w.kek, blob, nil)
	must(t, err)
	if string(plain) != "db password" {
		t.Errorf("plaintext %q", plain)
	}
}

const (
	unverified = "Target environment attestation statement cannot be verified."
	unmet      = "Target environment attestation does not meet key release policy requirements"
)

func TestReleaseRefusals(t *testing.T) {
	w := newWorld(t)
	w.importKEK(t, "kek")
	good := w.attest(t, maaHost, w.guest, w.runtimeData())
	w.attesterTime.set(-8*time.Hour - time.Minute)
	expired := w.attest(t, maaHost, w.guest, w.runtimeData())
	w.attesterTime.set(time.Hour)
	early := w.attest(t, maaHost, w.guest, w.runtimeData())
	w.attesterTime.set(0)
	parts := strings.Split(good, ".")
	payload, err := wire.Decode64(parts[1])
	must(t, err)
	retargeted := wire.Encode64([]byte(strings.Replace(string(payload), maaHost, foreignMAAHost, 1)))
	none := wire.Encode64([]byte(`{"alg":"none"}`)) + "." + parts[1] + "."
	signing := strings.ReplaceAll(w.runtimeData(), `"encrypt"`, `"verify"`)

	cases := []struct {
		name, token          string
		status               int
		code, inner, message string
	}{
		{"another host data", w.attest(t, maaHost, w.machine.Launch([]byte("other")), w.runtimeData()), 403, "Forbidden", "AccessDenied", unmet},
		{"debuggable guest", w.attest(t, maaHost, w.machine.LaunchDebuggable([]byte("package policy")), w.runtimeData()), 403, "Forbidden", "AccessDenied", unmet},
		{"foreign authority", w.attest(t, foreignMAAHost, w.guest, w.runtimeData()), 403, "Forbidden", "AccessDenied", unverified},
		{"expired token", expired, 403, "Forbidden", "AccessDenied", unverified},
		{"token of the future", early, 403, "Forbidden", "AccessDenied", unverified},
		{"tampered claims", parts[0] + "." + wire.Encode64([]byte(strings.Replace(string(payload), `"sevsnpvm"`, `"sevsnpvn"`, 1))) + "." + parts[2], 403, "Forbidden", "AccessDenied", unverified},
		{"tampered issuer", parts[0] + "." + retargeted + "." + parts[2], 403, "Forbidden", "AccessDenied", unverified},
		{"tampered signature", parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2])), 403, "Forbidden", "AccessDenied", unverified},
		{"algorithm none", none, 403, "Forbidden", "AccessDenied", unverified},
		{"no JWT", "target", 403, "Forbidden", "AccessDenied", unverified},
		{"empty target", "", 400, "BadParameter", "", "target"},
		{"no encryption key", w.attest(t, maaHost, w.guest, signing), 400, "BadParameter", "", "x-ms-runtime"},
		{"empty key set", w.attest(t, maaHost, w.guest, `{"keys":[]}`), 400, "BadParameter", "", "x-ms-runtime"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := w.release(t, "kek", "", c.token)
			wantError(t, err, c.status, c.code, c.inner, c.message)
			if c.token != "" && strings.Contains(err.Error(), c.token) {
				t.Error("the refusal shows the token")
			}
		})
	}
	t.Run("unknown key", func(t *testing.T) {
		_, err := w.release(t, "nokek", "", good)
		wantError(t, err, 404, "KeyNotFound", "", "nokek")
	})
	t.Run("unknown version", func(t *testing.T) {
		_, err := w.release(t, "kek", strings.Repeat("0", 32), good)
		wantError(t, err, 404, "KeyNotFound", "", "kek/0000")
	})
	t.Run("unknown algorithm", func(t *testing.T) {
		_, err := w.keys(t, w.roomCredential).Release(context.Background(), "kek", "", azkeys.ReleaseParameters{
			TargetAttestationToken: &good, Algorithm: to.Ptr(azkeys.KeyEncryptionAlgorithm("RSA1_5")),
		}, nil)
		wantError(t, err, 400, "BadParameter", "", "enc")
	})
	t.Run("missing role", func(t *testing.T) {
		_, err := w.keys(t, w.operatorIdentity).Release(context.Background(), "kek", "", azkeys.ReleaseParameters{TargetAttestationToken: &good}, nil)
		wantError(t, err, 403, "Forbidden", "ForbiddenByRbac", KeysRelease)
	})
	t.Run("the good token", func(t *testing.T) {
		_, err := w.release(t, "kek", "", good)
		must(t, err)
	})
	t.Run("authority away", func(t *testing.T) {
		w.network.Handle(maaHost, http.NotFoundHandler())
		_, err := w.release(t, "kek", "", good)
		wantError(t, err, 403, "Forbidden", "AccessDenied", unverified)
	})
}

func TestReleaseHonoursAttributes(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	token := w.attest(t, maaHost, w.guest, w.runtimeData())
	now := time.Now()
	for _, c := range []struct {
		name, inner string
		change      func(*azkeys.KeyAttributes)
	}{
		{"disabled", "KeyDisabled", func(a *azkeys.KeyAttributes) { a.Enabled = to.Ptr(false) }},
		{"early", "KeyNotYetValid", func(a *azkeys.KeyAttributes) { a.NotBefore = to.Ptr(now.Add(time.Hour)) }},
		{"late", "KeyExpired", func(a *azkeys.KeyAttributes) { a.Expires = to.Ptr(now.Add(-time.Hour)) }},
	} {
		p := parameters(w.kek, w.roomPolicy(t))
		c.change(p.KeyAttributes)
		_, err := w.keys(t, w.operatorIdentity).ImportKey(ctx, c.name, p, nil)
		must(t, err)
		_, err = w.release(t, c.name, "", token)
		wantError(t, err, 403, "Forbidden", c.inner, "")
	}
	p := parameters(w.kek, nil)
	p.KeyAttributes, p.ReleasePolicy = nil, nil
	_, err := w.keys(t, w.operatorIdentity).ImportKey(ctx, "fixed", p, nil)
	must(t, err)
	_, err = w.release(t, "fixed", "", token)
	wantError(t, err, 400, "BadParameter", "", "exportable")
}

// Every version keeps its own key; without a version the newest is released.
func TestReleaseOfVersions(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	first := w.importKEK(t, "kek").Key.KID.Version()
	second, err := w.keys(t, w.operatorIdentity).ImportKey(ctx, "KEK", parameters(w.transfer, w.roomPolicy(t)), nil)
	must(t, err)
	if second.Key.KID.Name() != "kek" {
		t.Errorf("a key's name changed its spelling to %s", second.Key.KID.Name())
	}
	token := w.attest(t, maaHost, w.guest, w.runtimeData())
	for version, want := range map[string]*rsa.PrivateKey{"": w.transfer, first: w.kek, second.Key.KID.Version(): w.transfer} {
		res, err := w.release(t, "kek", version, token)
		must(t, err)
		r := w.open(t, *res.Value)
		if key := w.unwrap(t, r); !key.Equal(want) {
			t.Errorf("version %q: another key", version)
		}
		if wantKid := strings.TrimSuffix("https://"+vaultHost+"/keys/kek/"+version, "/"); r.Request.Kid != wantKid {
			t.Errorf("request kid %s, want %s", r.Request.Kid, wantKid)
		}
	}
}

func TestPolicyMayNestAndBranch(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	hostData := w.guest.HostData()
	policy := `{"version":"1.0.0","anyOf":[
		{"authority":"https://` + foreignMAAHost + `","allOf":[{"claim":"x-ms-ver","equals":"1.0"}]},
		{"authority":"https://` + maaHost + `","allOf":[
			{"claim":"x-ms-sevsnpvm-is-debuggable","equals":"false"},
			{"claim":"x-ms-sevsnpvm-vmpl","equals":"0"},
			{"anyOf":[{"claim":"x-ms-sevsnpvm-hostdata","equals":"00"},{"claim":"x-ms-sevsnpvm-hostdata","equals":"` + hex.EncodeToString(hostData[:]) + `"}]}]}]}`
	_, err := w.keys(t, w.operatorIdentity).ImportKey(ctx, "kek", parameters(w.kek, []byte(policy)), nil)
	must(t, err)
	for _, host := range []string{maaHost, foreignMAAHost} {
		_, err := w.release(t, "kek", "", w.attest(t, host, w.guest, w.runtimeData()))
		must(t, err)
	}
	// A branch counts for its own authority only.
	other := w.machine.Launch([]byte("other"))
	_, err = w.release(t, "kek", "", w.attest(t, maaHost, other, w.runtimeData()))
	wantError(t, err, 403, "Forbidden", "AccessDenied", unmet)
}

// The product's releaser accepts the answers of both services, so all three
// read the protocol alike.
func TestProductReleaserAccepts(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.importKEK(t, "kek")
	opts := &skr.ReleaserOptions{ClientOptions: w.options(), Roots: w.signing.Pool()}
	r, err := skr.NewReleaser(w.guest, opts)
	must(t, err)
	defer r.Close()
	key, err := r.Release(ctx, skr.KeyRef{Name: "kek", VaultURL: "https://" + vaultHost, AttestationURL: "https://" + maaHost}, w.roomCredential)
	must(t, err)
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &w.kek.PublicKey, []byte("secret"), nil)
	must(t, err)
	plain, err := key.Unwrap(ctx, wrapped)
	must(t, err)
	if string(plain) != "secret" {
		t.Errorf("plaintext %q", plain)
	}
}
