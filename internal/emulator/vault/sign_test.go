package vault

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/cleanroom-go/sdk/internal/emulator/wire"
)

func ecKey(crv azkeys.CurveName) azkeys.CreateKeyParameters {
	return azkeys.CreateKeyParameters{Kty: to.Ptr(azkeys.KeyTypeECHSM), Curve: to.Ptr(crv)}
}

// TestSign makes a key on each curve and lets the vault sign; the answer is the
// raw form, which no DER reader takes.
func TestSign(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.vaults.Grant(vaultHost, operator, KeysCreate, KeysSign)
	client := w.keys(t, w.operatorIdentity)
	hashes := map[string]crypto.Hash{"ES256": crypto.SHA256, "ES384": crypto.SHA384, "ES512": crypto.SHA512}
	for _, known := range curves {
		made, err := client.CreateKey(ctx, "sign-"+known.name, ecKey(azkeys.CurveName(known.name)), nil)
		must(t, err)
		if *made.Key.Kty != azkeys.KeyTypeECHSM || string(*made.Key.Crv) != known.name || made.Key.D != nil || len(made.Key.KeyOps) != 2 {
			t.Errorf("%s: made %+v", known.name, made.Key)
		}
		size := (known.curve.Params().BitSize + 7) / 8
		if len(made.Key.X) != size || len(made.Key.Y) != size {
			t.Errorf("%s: coordinates of %d and %d bytes", known.name, len(made.Key.X), len(made.Key.Y))
		}
		public, err := ecdsa.ParseUncompressedPublicKey(known.curve, append(append([]byte{4}, made.Key.X...), made.Key.Y...))
		must(t, err)
		digest := hashes[known.algorithm].New().Sum(nil)
		signed, err := client.Sign(ctx, "sign-"+known.name, made.Key.KID.Version(), azkeys.SignParameters{
			Algorithm: to.Ptr(azkeys.SignatureAlgorithm(known.algorithm)), Value: digest,
		}, nil)
		must(t, err)
		if *signed.KID != *made.Key.KID || len(signed.Result) != 2*size {
			t.Errorf("%s: %s signed %d bytes", known.name, *signed.KID, len(signed.Result))
		}
		r, s := new(big.Int).SetBytes(signed.Result[:size]), new(big.Int).SetBytes(signed.Result[size:])
		if !ecdsa.Verify(public, digest, r, s) {
			t.Errorf("%s: the signature does not verify", known.name)
		}
	}
}

func TestSignRefusals(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.importKEK(t, "kek")
	client := w.keys(t, w.operatorIdentity)
	_, err := client.CreateKey(ctx, "k", ecKey("P-256"), nil)
	w.refused(t, err, 403, "ForbiddenByRbac")
	w.vaults.Grant(vaultHost, operator, KeysCreate)
	_, err = client.CreateKey(ctx, "k", ecKey("P-256"), nil)
	must(t, err)
	sign := func(name string, alg azkeys.SignatureAlgorithm, size int) error {
		_, err := client.Sign(ctx, name, "", azkeys.SignParameters{Algorithm: &alg, Value: make([]byte, size)}, nil)
		return err
	}
	w.refused(t, sign("k", "ES256", 32), 403, "ForbiddenByRbac")
	w.vaults.Grant(vaultHost, operator, KeysSign)
	must(t, sign("k", "ES256", 32))
	w.refused(t, sign("k", "ES384", 48), 400, "incompatible")
	w.refused(t, sign("k", "ES256", 48), 400, "Invalid length")
	w.refused(t, sign("kek", "RS256", 32), 403, "KeyOperationForbidden") // a KEK signs nothing
	w.refused(t, sign("nobody", "ES256", 32), 404, "KeyNotFound")

	change := func(a azkeys.KeyAttributes, ops ...azkeys.KeyOperation) {
		t.Helper()
		p := azkeys.UpdateKeyParameters{KeyAttributes: &a}
		for _, op := range ops {
			p.KeyOps = append(p.KeyOps, &op)
		}
		_, err := client.UpdateKey(ctx, "k", "", p, nil)
		must(t, err)
	}
	change(azkeys.KeyAttributes{}, azkeys.KeyOperationVerify)
	w.refused(t, sign("k", "ES256", 32), 403, "KeyOperationForbidden")
	change(azkeys.KeyAttributes{NotBefore: to.Ptr(time.Now().Add(time.Hour))}, azkeys.KeyOperationSign)
	w.refused(t, sign("k", "ES256", 32), 403, "KeyNotYetValid")
	change(azkeys.KeyAttributes{NotBefore: to.Ptr(time.Now().Add(-2 * time.Hour)), Expires: to.Ptr(time.Now().Add(-time.Hour))})
	w.refused(t, sign("k", "ES256", 32), 403, "KeyExpired")
	change(azkeys.KeyAttributes{Enabled: to.Ptr(false)})
	w.refused(t, sign("k", "ES256", 32), 403, "KeyDisabled")
	_, err = client.UpdateKey(ctx, "k", "", azkeys.UpdateKeyParameters{KeyOps: []*azkeys.KeyOperation{to.Ptr(azkeys.KeyOperationDecrypt)}}, nil)
	w.refused(t, err, 400, "not valid for EC")

	for what, p := range map[string]azkeys.CreateKeyParameters{
		"octets":        {Kty: to.Ptr(azkeys.KeyTypeOct)},
		"P-256K":        ecKey("P-256K"),
		"exportable":    {Kty: to.Ptr(azkeys.KeyTypeEC), KeyAttributes: &azkeys.KeyAttributes{Exportable: to.Ptr(true)}},
		"decrypts":      {Kty: to.Ptr(azkeys.KeyTypeEC), KeyOps: []*azkeys.KeyOperation{to.Ptr(azkeys.KeyOperationDecrypt)}},
		"name of a KEK": ecKey("P-256"),
	} {
		name := "new"
		if what == "name of a KEK" {
			name = "kek"
		}
		if _, err := client.CreateKey(ctx, name, p, nil); err == nil {
			t.Errorf("%s: made", what)
		} else {
			w.refused(t, err, 400, "")
		}
	}
	_, err = client.ImportKey(ctx, "k", parameters(w.kek, w.roomPolicy(t)), nil)
	w.refused(t, err, 400, "another type")
	_, err = w.keys(t, w.roomCredential).Release(ctx, "k", "", azkeys.ReleaseParameters{TargetAttestationToken: to.Ptr("x")}, nil)
	if err == nil {
		t.Error("a key on a curve was released")
	}
	token := w.token(t, tenant, operator, vaultScope)
	if r := w.raw(t, "POST", vaultHost, "/keys/k/sign?api-version=7.4", token, `{"alg":"ES256","value":"*"}`); r.status != 403 {
		t.Errorf("disabled key: %+v", r)
	}
}

// refused wants an answer with the status and the text in its body.
func (w *world) refused(t *testing.T, err error, status int, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("RESPONSE %d", status)) || !strings.Contains(err.Error(), text) {
		t.Errorf("want %d with %q, got %v", status, text, err)
	}
}

const certificateRequest = `{"policy":{"key_props":{"kty":"EC-HSM","crv":"P-384","exportable":false},"x509_props":{"subject":"CN=member","validity_months":3},"issuer":{"name":"Self"}}}`

// TestCertificate makes a certificate whose key the vault keeps.
func TestCertificate(t *testing.T) {
	w := newWorld(t)
	token := w.token(t, tenant, operator, vaultScope)
	const path = "/certificates/cert"
	if r := w.raw(t, "POST", vaultHost, path+"/create?api-version=7.4", token, certificateRequest); r.status != 403 || r.err.InnerError.Code != "ForbiddenByRbac" {
		t.Errorf("without a grant: %+v", r)
	}
	w.vaults.Grant(vaultHost, operator, CertificatesCreate, CertificatesRead, KeysSign)
	for _, p := range []string{path, path + "/pending"} {
		if r := w.raw(t, "GET", vaultHost, p+"?api-version=7.4", token, ""); r.status != 404 || r.err.Code != "CertificateNotFound" {
			t.Errorf("%s before it is made: %+v", p, r)
		}
	}
	if r := w.raw(t, "POST", vaultHost, path+"/create?api-version=7.4", token, certificateRequest); r.status != http.StatusAccepted || !strings.Contains(r.body, `"inProgress"`) {
		t.Errorf("create: %+v", r)
	}
	if r := w.raw(t, "GET", vaultHost, path+"/pending?api-version=7.4", token, ""); r.status != 200 || !strings.Contains(r.body, `"completed"`) {
		t.Errorf("pending: %+v", r)
	}
	r := w.raw(t, "GET", vaultHost, path+"?api-version=7.4", token, "")
	var doc struct {
		ID, KID string
		Cer     []byte
	}
	must(t, wire.Unmarshal([]byte(r.body), &doc))
	cert, err := x509.ParseCertificate(doc.Cer)
	must(t, err)
	if cert.Subject.CommonName != "member" || cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) != nil {
		t.Errorf("certificate of %s", cert.Subject)
	}
	version := strings.TrimPrefix(doc.ID, "https://"+vaultHost+"/certificates/cert/")
	if doc.KID != "https://"+vaultHost+"/keys/cert/"+version {
		t.Errorf("%s has the key %s", doc.ID, doc.KID)
	}
	digest := make([]byte, 48)
	_, _ = rand.Read(digest)
	signed, err := w.keys(t, w.operatorIdentity).Sign(context.Background(), "cert", version, azkeys.SignParameters{Algorithm: to.Ptr(azkeys.SignatureAlgorithmES384), Value: digest}, nil)
	must(t, err)
	if !ecdsa.Verify(cert.PublicKey.(*ecdsa.PublicKey), digest, new(big.Int).SetBytes(signed.Result[:48]), new(big.Int).SetBytes(signed.Result[48:])) {
		t.Error("the key of the certificate is another")
	}
	for _, change := range [][2]string{
		{`"Self"`, `"DigiCert"`}, {`"EC-HSM"`, `"RSA"`}, {`"exportable":false`, `"exportable":true`},
		{`CN=member`, `O=member`}, {`CN=member`, `CN=member,O=x`}, {`CN=member`, `CN=`}, {`P-384`, `P-1`},
	} {
		body := strings.Replace(certificateRequest, change[0], change[1], 1)
		if r := w.raw(t, "POST", vaultHost, path+"/create?api-version=7.4", token, body); r.status != 400 {
			t.Errorf("%s: %+v", change[1], r)
		}
	}
}
