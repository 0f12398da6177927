package vaultsigner_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/cleanroom-go/sdk/governance"
	"github.com/cleanroom-go/sdk/governance/vaultsigner"
)

var hashes = map[azkeys.CurveName]crypto.Hash{
	azkeys.CurveNameP256: crypto.SHA256, azkeys.CurveNameP384: crypto.SHA384, azkeys.CurveNameP521: crypto.SHA512,
}

// TestSign signs many digests on each curve, so that r and s with leading
// zeros, which DER drops, come up.
func TestSign(t *testing.T) {
	v := newVault(t)
	signed := 0
	for crv, hash := range hashes {
		id := v.newKey("key-"+string(crv), crv)
		s, err := vaultsigner.New(t.Context(), id, v.conn.Credential(), v.options())
		v.check(err)
		if s.KeyID() != id || s.String() != "key "+id {
			t.Errorf("%s is %s", id, s)
		}
		for i := range 40 {
			h := hash.New()
			h.Write([]byte{byte(i)})
			digest := h.Sum(nil)
			der, err := s.Sign(rand.Reader, digest, hash)
			v.check(err)
			if !ecdsa.VerifyASN1(s.Public().(*ecdsa.PublicKey), digest, der) {
				t.Errorf("%s: signature %d does not verify", crv, i)
			}
			signed++
		}
		for other, wrong := range hashes {
			if other == crv {
				continue
			}
			_, err := s.Sign(rand.Reader, make([]byte, wrong.Size()), wrong)
			wantText(t, err, "vaultsigner: sign with key "+id, "signs digests of "+hash.String()+" only")
		}
		_, err = s.Sign(rand.Reader, make([]byte, 20), hash)
		wantText(t, err, "only")
		_, err = s.Sign(rand.Reader, make([]byte, hash.Size()+1), nil)
		wantText(t, err, "only")
	}
	if n := v.signatures.Load(); signed != 120 || n != 120 {
		t.Errorf("%d signatures, of which the vault made %d", signed, n)
	}
}

// TestRotation keeps to the version that was read.
func TestRotation(t *testing.T) {
	v := newVault(t)
	first := v.newKey("key", azkeys.CurveNameP256)
	s, err := vaultsigner.New(t.Context(), v.url+"/keys/key", v.conn.Credential(), v.options())
	v.check(err)
	cert, err := s.SelfSigned("member", time.Hour)
	v.check(err)
	second := v.newKey("key", azkeys.CurveNameP256)
	if s.KeyID() != first {
		t.Errorf("the signer moved to %s", s.KeyID())
	}
	_, err = s.Sign(rand.Reader, make([]byte, 32), crypto.SHA256)
	v.check(err)
	pem := certificatePEM(cert)
	_, err = vaultsigner.MemberPEM(t.Context(), pem, v.url+"/keys/key", v.conn.Credential(), v.options())
	wantText(t, err, second, "does not belong to the certificate", "name its version")
	m, err := vaultsigner.MemberPEM(t.Context(), pem, first, v.conn.Credential(), v.options())
	v.check(err)
	if m.ID() != governance.MemberID(cert) {
		t.Errorf("member %s", m.ID())
	}
	for _, text := range []string{"", "x", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n"} {
		_, err = vaultsigner.MemberPEM(t.Context(), []byte(text), first, v.conn.Credential(), v.options())
		wantText(t, err, "vaultsigner: member certificate: ")
	}
	if cert.Subject.CommonName != "member" || cert.NotAfter.Sub(cert.NotBefore) != time.Hour || cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) != nil {
		t.Errorf("certificate of %s, until %s", cert.Subject, cert.NotAfter)
	}
	if _, err := s.SelfSigned("", 0); err == nil {
		t.Error("a certificate without a name was made")
	}
	if long, err := s.SelfSigned("m", 0); err != nil || long.NotAfter.Sub(long.NotBefore) != 365*24*time.Hour {
		t.Errorf("%v, %v", long, err)
	}
}

// TestAnswers has vaults that answer wrongly, or refuse.
func TestAnswers(t *testing.T) {
	v := newVault(t)
	id := v.newKey("key", azkeys.CurveNameP256)
	other, err := vaultsigner.New(t.Context(), v.newKey("other", azkeys.CurveNameP256), v.conn.Credential(), v.options())
	v.check(err)
	s, err := vaultsigner.New(t.Context(), id, v.conn.Credential(), v.options())
	v.check(err)
	digest := make([]byte, 32)
	value := func(b []byte) func(map[string]any) int {
		return func(doc map[string]any) int {
			doc["value"] = base64.RawURLEncoding.EncodeToString(b)
			return 0
		}
	}
	der, err := other.Sign(nil, digest, crypto.SHA256)
	v.check(err)
	for name, test := range map[string]struct {
		change func(map[string]any) int
		says   []string
	}{
		"short":            {value(make([]byte, 63)), []string{"63 bytes, not 64"}},
		"empty":            {value(nil), []string{"0 bytes, not 64"}},
		"DER":              {value(der), []string{"bytes, not 64"}},
		"zero":             {value(make([]byte, 64)), []string{"this key did not make"}},
		"random":           {value([]byte(strings.Repeat("x", 64))), []string{"this key did not make"}},
		"no role":          {refusal(403, "Forbidden", "ForbiddenByRbac"), []string{"403 Forbidden ForbiddenByRbac: no\n", "remedy give the identity a role with the action Microsoft.KeyVault/vaults/keys/sign/action", "Key Vault Crypto User"}},
		"disabled":         {refusal(403, "Forbidden", "KeyDisabled"), []string{"remedy enable this version"}},
		"expired":          {refusal(403, "Forbidden", "KeyExpired"), []string{"remedy change the key's dates"}},
		"other operations": {refusal(403, "Forbidden", "KeyOperationForbidden"), []string{"remedy allow the operation sign"}},
		"gone":             {refusal(404, "KeyNotFound", ""), []string{"404 KeyNotFound: no", "remedy check the name"}},
		"throttled":        {refusal(429, "Throttled", ""), []string{"remedy sign less often"}},
		"fault":            {refusal(500, "InternalServerError", ""), []string{"500 InternalServerError"}},
	} {
		t.Run(name, func(t *testing.T) {
			v.when("/sign", test.change)
			_, err := s.Sign(rand.Reader, digest, crypto.SHA256)
			wantText(t, err, append(test.says, "vaultsigner: sign with key "+id)...)
			var refused *azcore.ResponseError
			if isRefusal := strings.Contains(err.Error(), "the vault answered 4") || strings.Contains(err.Error(), "the vault answered 5"); isRefusal != errors.As(err, &refused) {
				t.Errorf("the vault's own error is lost: %v", err)
			}
		})
	}
	v.change = nil
	_, err = s.Sign(rand.Reader, digest, crypto.SHA256)
	v.check(err)
}

// TestKeyAnswers has vaults that show another key than was asked for.
func TestKeyAnswers(t *testing.T) {
	v := newVault(t)
	id := v.newKey("key", azkeys.CurveNameP384)
	key := func(name string, value any) func(map[string]any) int {
		return func(doc map[string]any) int {
			k := doc["key"].(map[string]any)
			if k[name] = value; value == nil {
				delete(k, name)
			}
			return 0
		}
	}
	x := base64.RawURLEncoding.EncodeToString
	for name, test := range map[string]struct {
		change func(map[string]any) int
		says   string
	}{
		"nothing":         {func(doc map[string]any) int { clear(doc); return 0 }, "without a key"},
		"no id":           {key("kid", nil), "without a key"},
		"another name":    {key("kid", v.url+"/keys/other/0123456789abcdef0123456789abcdef"), "another key"},
		"another vault":   {key("kid", strings.Replace(id, "publisher", "consumer", 1)), "another key"},
		"another version": {key("kid", v.url+"/keys/key/0123456789abcdef0123456789abcdef"), "another key"},
		"no version":      {key("kid", v.url+"/keys/key"), "another key"},
		"RSA":             {key("kty", "RSA"), "not on a curve"},
		"no curve":        {key("crv", nil), "not on a curve"},
		"Koblitz":         {key("crv", "P-256K"), "not one of P-256, P-384 and P-521"},
		"another curve":   {key("crv", "P-256"), "not on P-256"},
		"off the curve":   {key("x", x(make([]byte, 48))), "not on P-384"},
		"no coordinate":   {key("y", nil), "not on P-384"},
		"forbidden":       {refusal(403, "Forbidden", "ForbiddenByRbac"), "keys/read"},
		"signed out":      {refusal(404, "KeyNotFound", ""), "check the name"},
	} {
		t.Run(name, func(t *testing.T) {
			v.when("/keys/", test.change)
			_, err := vaultsigner.New(t.Context(), id, v.conn.Credential(), v.options())
			wantText(t, err, "vaultsigner: read key "+id+": ", test.says)
		})
	}
}

func TestAddresses(t *testing.T) {
	v := newVault(t)
	for _, bad := range []string{
		"", "key", "http://v.vault.azure.net/keys/k", "https://v.vault.azure.net/secrets/k", "https://v.vault.azure.net/certificates/k",
		"https://v.vault.azure.net/keys", "https://v.vault.azure.net/keys/k/v/x", "https://v.vault.azure.net/keys/k_",
		"https://v.vault.azure.net/keys/k/v-1", "https://u:p@v.vault.azure.net/keys/k", "https://v.vault.azure.net/keys/k?x", "https://v.vault.azure.net/keys/k#x",
	} {
		_, err := vaultsigner.New(t.Context(), bad, v.conn.Credential(), nil)
		wantText(t, err, "vaultsigner: ", "is not https://<vault>/keys/<name>")
		_, err = vaultsigner.Member(t.Context(), strings.Replace(bad, "certificates", "keys", 1), v.conn.Credential(), nil)
		wantText(t, err, "vaultsigner: ", "is not https://<vault>/certificates/<name>")
	}
	if _, err := vaultsigner.New(t.Context(), v.url+"/keys/k", nil, nil); err == nil {
		t.Error("a signer without a credential was made")
	}
	if _, err := vaultsigner.Member(t.Context(), v.url+"/certificates/k", nil, nil); err == nil {
		t.Error("a member without a credential was made")
	}
	_, err := vaultsigner.New(t.Context(), v.url+"/keys/nobody", v.conn.Credential(), v.options())
	wantText(t, err, "404 KeyNotFound", "remedy check the name")
}

// TestTime ends signatures with the context of the signer, another one, or the
// time for one signature.
func TestTime(t *testing.T) {
	v := newVault(t)
	id := v.newKey("key", azkeys.CurveNameP256)
	slow := v.options()
	slow.Timeout = 30 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	patient, err := vaultsigner.New(ctx, id, v.conn.Credential(), v.options())
	v.check(err)
	hasty, err := vaultsigner.New(ctx, id, v.conn.Credential(), slow)
	v.check(err)
	digest := make([]byte, 32)
	v.change = func(r *http.Request, resp *http.Response) *http.Response {
		if strings.HasSuffix(r.URL.Path, "/sign") {
			resp.Body.Close()
			resp.Body = io.NopCloser(waits{r.Context()})
		}
		return resp
	}
	_, err = hasty.Sign(nil, digest, crypto.SHA256)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("timeout: %v", err)
	}
	wantText(t, err, "did not answer in time")
	_, err = patient.WithContext(within(t, 30*time.Millisecond)).Sign(nil, digest, crypto.SHA256)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("deadline: %v", err)
	}
	v.change = nil
	cancel()
	_, err = patient.Sign(nil, digest, crypto.SHA256)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	_, err = patient.WithContext(t.Context()).Sign(nil, digest, crypto.SHA256)
	v.check(err)
}

// waits is a body that never comes.
type waits struct{ ctx context.Context }

func (w waits) Read([]byte) (int, error) {
	<-w.ctx.Done()
	return 0, w.ctx.Err()
}
