package vault

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/cleanroom-go/sdk/internal/emulator/wire/wiretest"
	"github.com/cleanroom-go/sdk/internal/testpki"
	"github.com/cleanroom-go/sdk/skr"
)

const hsmHost = "publisherhsm.managedhsm.azure.net"

// hsm is the world with a Managed HSM that is not activated yet.
type hsm struct {
	*world
	server *Server
	roots  *testpki.CA
}

func newHSM(t *testing.T) *hsm {
	t.Helper()
	p, err := shared()
	must(t, err)
	w := &world{parties: p, network: wiretest.New(t, "*.managedhsm.azure.net", maaHost, "login.microsoftonline.com")}
	ca, err := testpki.New("hsms")
	must(t, err)
	cert, err := ca.IssueRSA("*.managedhsm.azure.net")
	must(t, err)
	h := &hsm{world: w, roots: ca}
	h.server, err = New(Options{
		ManagedHSM: true, Certificate: cert, HTTP: w.network.Client,
		Verify: func(token, audience string) (string, string, error) {
			if audience != "https://managedhsm.azure.net" {
				t.Errorf("verified for %s", audience)
			}
			p, err := w.login.Verify(token, audience)
			return p.TenantID, p.ClientID, err
		},
		TenantID: func(host string) string {
			if host == hsmHost {
				return tenant
			}
			return ""
		},
	})
	must(t, err)
	w.network.Handle("*.managedhsm.azure.net", h.server)
	w.network.Handle(maaHost, w.attester)
	w.network.Handle("login.microsoftonline.com", w.login)
	w.operatorIdentity = w.credential(t, tenant, operator)
	w.roomCredential = w.credential(t, tenant, room)
	w.guest = w.machine.Launch([]byte("package policy"))
	return h
}

func (h *hsm) client(t *testing.T, cred azcore.TokenCredential) *azkeys.Client {
	t.Helper()
	c, err := azkeys.NewClient("https://"+hsmHost, cred, &azkeys.ClientOptions{ClientOptions: h.options()})
	must(t, err)
	return c
}

// create makes an exportable key for the guest's room.
func (h *hsm) create(t *testing.T, name string, kty azkeys.KeyType, size int32) (azkeys.CreateKeyResponse, error) {
	return h.client(t, h.operatorIdentity).CreateKey(context.Background(), name, azkeys.CreateKeyParameters{
		Kty: &kty, KeySize: &size,
		KeyAttributes: &azkeys.KeyAttributes{Exportable: to.Ptr(true)},
		ReleasePolicy: &azkeys.KeyReleasePolicy{EncodedPolicy: h.roomPolicy(t)},
	}, nil)
}

func (h *hsm) releaser(t *testing.T) *skr.Releaser {
	t.Helper()
	r, err := skr.NewReleaser(h.guest, &skr.ReleaserOptions{ClientOptions: h.options(), Roots: h.roots.Pool()})
	must(t, err)
	t.Cleanup(func() { r.Close() })
	return r
}

func ref(name string) skr.KeyRef {
	return skr.KeyRef{Name: name, VaultURL: "https://" + hsmHost, AttestationURL: "https://" + maaHost}
}

func TestHSMActivationAndLocalRoles(t *testing.T) {
	h := newHSM(t)
	ctx := context.Background()
	keys := h.client(t, h.operatorIdentity)
	_, err := keys.GetKey(ctx, "kek", "", nil)
	wantError(t, err, http.StatusForbidden, "Forbidden", "", "not activated")
	h.server.Activate(hsmHost)
	_, err = keys.GetKey(ctx, "kek", "", nil)
	wantError(t, err, http.StatusForbidden, "AccessDenied", "", "Not authorized to access Microsoft.KeyVault/managedHsm/keys/read/action")

	h.server.GrantScope(hsmHost, operator, "/keys/kek", KeysRead)
	_, err = keys.GetKey(ctx, "kek", "", nil)
	wantError(t, err, http.StatusNotFound, "KeyNotFound", "", "kek")
	_, err = keys.GetKey(ctx, "other", "", nil)
	wantError(t, err, http.StatusForbidden, "AccessDenied", "", "keys/read/action on /keys/other")
	h.server.GrantScope(hsmHost, operator, "/keys", KeysRead)
	_, err = keys.GetKey(ctx, "other", "", nil)
	wantError(t, err, http.StatusNotFound, "KeyNotFound", "", "other")

	secrets, err := azsecrets.NewClient("https://"+hsmHost, h.operatorIdentity, &azsecrets.ClientOptions{ClientOptions: h.options()})
	must(t, err)
	_, err = secrets.GetSecret(ctx, "s", "", nil)
	wantError(t, err, http.StatusNotFound, "NotFound", "", "no secrets")
}

func TestHSMRefusesKeys(t *testing.T) {
	h := newHSM(t)
	h.server.Activate(hsmHost)
	h.server.Grant(hsmHost, operator, KeysCreate, KeysImport, KeysRead)
	_, err := h.create(t, "k", azkeys.KeyTypeOctHSM, 512)
	wantError(t, err, 400, "BadParameter", "", "key_size")
	_, err = h.create(t, "k", azkeys.KeyTypeRSAHSM, 1024)
	wantError(t, err, 400, "BadParameter", "", "key_size")
	_, err = h.create(t, "k", azkeys.KeyTypeECHSM, 0)
	wantError(t, err, 400, "BadParameter", "", "curve")
	_, err = h.create(t, "k", azkeys.KeyTypeOct, 256)
	wantError(t, err, 400, "BadParameter", "", "kty")
	for n, want := range map[int]string{65: "maximum size is 64", 20: "use 128, 192 or 256"} {
		_, err = h.client(t, h.operatorIdentity).ImportKey(context.Background(), "k", azkeys.ImportKeyParameters{
			Key: &azkeys.JSONWebKey{Kty: to.Ptr(azkeys.KeyTypeOctHSM), K: make([]byte, n)},
		}, nil)
		wantError(t, err, 400, "BadParameter", "", want)
	}
	must(t, func() error { _, err := h.create(t, "k", azkeys.KeyTypeOctHSM, 256); return err }())
	_, err = h.create(t, "k", azkeys.KeyTypeRSAHSM, 2048)
	wantError(t, err, 400, "BadParameter", "", "another type")
	w := newWorld(t) // an ordinary vault
	w.vaults.Grant(vaultHost, operator, KeysCreate)
	_, err = w.keys(t, w.operatorIdentity).CreateKey(context.Background(), "k", azkeys.CreateKeyParameters{Kty: to.Ptr(azkeys.KeyTypeOctHSM)}, nil)
	wantError(t, err, 400, "BadParameter", "", "kty")
}

// An RSA and an octet key, made in the HSM, come out to the room that its
// policy names, and to no other.
func TestHSMReleases(t *testing.T) {
	h := newHSM(t)
	ctx := context.Background()
	h.server.Activate(hsmHost)
	h.server.Grant(hsmHost, operator, KeysCreate, KeysImport, KeysRead, KeysWrap)
	created, err := h.create(t, "rsa", azkeys.KeyTypeRSAHSM, 2048)
	must(t, err)
	if *created.Key.Kty != azkeys.KeyTypeRSAHSM || !strings.HasPrefix(string(*created.Key.KID), "https://"+hsmHost+"/keys/rsa/") {
		t.Errorf("created %v %v", *created.Key.Kty, *created.Key.KID)
	}
	_, err = h.create(t, "oct", azkeys.KeyTypeOctHSM, 256)
	must(t, err)

	r := h.releaser(t)
	_, err = r.Release(ctx, ref("oct"), h.roomCredential)
	var denied *skr.DeniedError
	if !errors.As(err, &denied) || denied.Checks[0].ID != "release.role" {
		t.Errorf("without a role: %v", err)
	}
	h.server.GrantScope(hsmHost, room, "/keys", KeysRelease, KeysRead)
	key, err := r.Release(ctx, ref("oct"), h.roomCredential)
	must(t, err)
	if key.Kind() != "oct" {
		t.Errorf("kind %s", key.Kind())
	}
	if _, err := key.Decrypter(); err == nil {
		t.Error("an octet key has a decrypter")
	}
	// What the HSM wrapped with the key opens outside with the released one.
	secret := []byte("thirty-two bytes of a data key!!")
	wrapped, err := h.client(t, h.operatorIdentity).WrapKey(ctx, "oct", "", azkeys.KeyOperationParameters{
		Algorithm: to.Ptr(azkeys.EncryptionAlgorithmA256KW), Value: secret,
	}, nil)
	must(t, err)
	plain, err := key.Unwrap(ctx, wrapped.Result)
	if err != nil || !bytes.Equal(plain, secret) {
		t.Errorf("unwrap: %q, %v", plain, err)
	}
	must(t, key.Close())
	if _, err := key.Unwrap(ctx, wrapped.Result); !errors.Is(err, skr.ErrClosed) {
		t.Errorf("after close: %v", err)
	}
	// And what the importer of a key wrapped before he imported it.
	kek := bytes.Repeat([]byte{3}, 32)
	_, err = h.client(t, h.operatorIdentity).ImportKey(ctx, "imported", azkeys.ImportKeyParameters{
		Key:           &azkeys.JSONWebKey{Kty: to.Ptr(azkeys.KeyTypeOctHSM), K: kek},
		KeyAttributes: &azkeys.KeyAttributes{Exportable: to.Ptr(true)},
		ReleasePolicy: &azkeys.KeyReleasePolicy{EncodedPolicy: h.roomPolicy(t)},
	}, nil)
	must(t, err)
	imported, err := r.Release(ctx, ref("imported"), h.roomCredential)
	must(t, err)
	own, err := skr.WrapAES(kek, []byte("pw"))
	must(t, err)
	if plain, err := imported.Unwrap(ctx, own); err != nil || string(plain) != "pw" {
		t.Errorf("own wrap: %q, %v", plain, err)
	}
	own[3] ^= 1
	if _, err := imported.Unwrap(ctx, own); skr.ReasonOf(err) != skr.UnwrapKey {
		t.Errorf("damaged: %v, %q", err, skr.ReasonOf(err))
	}
	rsaKey, err := r.Release(ctx, ref("rsa"), h.roomCredential)
	must(t, err)
	if d, err := rsaKey.Decrypter(); err != nil || d.Public() == nil || rsaKey.Kind() != "RSA" {
		t.Errorf("RSA: %v", err)
	}

	h.guest = h.machine.Launch([]byte("another policy"))
	_, err = h.releaser(t).Release(ctx, ref("oct"), h.roomCredential)
	if !errors.As(err, &denied) || !strings.Contains(err.Error(), "x-ms-sevsnpvm-hostdata") {
		t.Errorf("another room: %v", err)
	}
}

// A token for the vaults is none for the HSM, and a challenge for another
// resource than the host's is not answered with any token.
func TestHSMChallenge(t *testing.T) {
	h := newHSM(t)
	asked := 0
	h.network.Handle("*.managedhsm.azure.net", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			asked++
		}
		w.Header().Set("WWW-Authenticate", `Bearer authorization="https://login.microsoftonline.com/`+tenant+`", resource="https://vault.azure.net"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	_, err := h.releaser(t).Release(context.Background(), ref("kek"), h.roomCredential)
	if err == nil || !strings.Contains(err.Error(), "challenge resource") {
		t.Errorf("a challenge for another resource: %v", err)
	}
	if asked != 0 {
		t.Errorf("%d tokens were sent to a host that asked for another resource", asked)
	}
}

// A redirect would carry token and attestation to another host.
func TestHSMRedirects(t *testing.T) {
	for _, status := range []int{302, 307, 308} {
		h := newHSM(t)
		elsewhere := 0
		h.network.Handle("*.managedhsm.azure.net", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.HasPrefix(r.Host, "evil."):
				elsewhere++
			case r.Header.Get("Authorization") == "":
				h.server.ServeHTTP(w, r) // the challenge
			default:
				// To the end first: an answer before that has net/http rewind
				// the body for the redirect while it is still being sent.
				if _, err := io.Copy(io.Discard, r.Body); err != nil {
					t.Error(err)
				}
				http.Redirect(w, r, "https://evil.managedhsm.azure.net"+r.URL.Path, status)
			}
		}))
		if _, err := h.releaser(t).Release(context.Background(), ref("kek"), h.roomCredential); err == nil {
			t.Errorf("%d: no error", status)
		}
		if elsewhere != 0 {
			t.Errorf("%d: the other host got %d requests", status, elsewhere)
		}
	}
}
