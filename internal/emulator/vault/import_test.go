package vault

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/cleanroom-go/sdk/skr"
)

func TestImportRefusals(t *testing.T) {
	w := newWorld(t)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	must(t, err)
	policy := w.roomPolicy(t)
	cases := []struct {
		name, message string
		key           *rsa.PrivateKey
		change        func(*azkeys.ImportKeyParameters)
	}{
		{"no policy", "AKV.SKR.1004", w.kek, func(p *azkeys.ImportKeyParameters) { p.ReleasePolicy = nil }},
		{"policy of a fixed key", "AKV.SKR.1005", w.kek, func(p *azkeys.ImportKeyParameters) { p.KeyAttributes.Exportable = nil }},
		{"software key", "AKV.SKR.1006", w.kek, func(p *azkeys.ImportKeyParameters) { p.HSM = nil }},
		{"policy not JSON", "release policy", w.kek, func(p *azkeys.ImportKeyParameters) { p.ReleasePolicy.EncodedPolicy = []byte("policy") }},
		{"policy of another version", "release policy", w.kek, func(p *azkeys.ImportKeyParameters) {
			p.ReleasePolicy.EncodedPolicy = []byte(`{"version":"9","anyOf":[]}`)
		}},
		{"EC key", "key type", w.kek, func(p *azkeys.ImportKeyParameters) { p.Key.Kty = to.Ptr(azkeys.KeyTypeEC) }},
		{"small key", "JSON Web Key", small, func(*azkeys.ImportKeyParameters) {}},
		{"no d", "member d", w.kek, func(p *azkeys.ImportKeyParameters) { p.Key.D = nil }},
		{"no qi", "qi", w.kek, func(p *azkeys.ImportKeyParameters) { p.Key.QI = nil }},
		{"wrong dp", "dp", w.kek, func(p *azkeys.ImportKeyParameters) { p.Key.DP = p.Key.DQ }},
		{"another n", "one RSA key", w.kek, func(p *azkeys.ImportKeyParameters) { p.Key.N = w.transfer.N.Bytes() }},
		{"unknown operation", "key operation", w.kek, func(p *azkeys.ImportKeyParameters) {
			p.Key.KeyOps = []*azkeys.KeyOperation{to.Ptr(azkeys.KeyOperation("derive"))}
		}},
	}
	for _, c := range cases {
		p := parameters(w.kek, policy)
		if c.key != w.kek {
			p.Key.N, p.Key.D = c.key.N.Bytes(), c.key.D.Bytes()
		}
		c.change(&p)
		_, err := w.keys(t, w.operatorIdentity).ImportKey(context.Background(), "kek", p, nil)
		t.Run(c.name, func(t *testing.T) { wantError(t, err, 400, "BadParameter", "", c.message) })
	}
	r := w.raw(t, "PUT", vaultHost, "/keys/kek?api-version=7.2", w.token(t, tenant, operator, vaultScope), importBody(t, parameters(w.kek, policy)))
	if r.status != 400 || r.err.Code != "BadParameter" || !strings.HasPrefix(r.err.Message, "AKV.SKR.1001") {
		t.Errorf("old api-version: %+v", r)
	}
}

func importBody(t *testing.T, p azkeys.ImportKeyParameters) string {
	t.Helper()
	b, err := p.MarshalJSON()
	must(t, err)
	return string(b)
}

// Exportable is decided once, by the first version.
func TestExportableIsFixed(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.importKEK(t, "kek")
	c := w.keys(t, w.operatorIdentity)
	p := parameters(w.kek, nil)
	p.KeyAttributes, p.ReleasePolicy = nil, nil
	_, err := c.ImportKey(ctx, "kek", p, nil)
	wantError(t, err, 400, "BadParameter", "", "AKV.SKR.1003")
	_, err = c.UpdateKey(ctx, "kek", "", azkeys.UpdateKeyParameters{KeyAttributes: &azkeys.KeyAttributes{Exportable: to.Ptr(false)}}, nil)
	wantError(t, err, 400, "BadParameter", "", "AKV.SKR.1003")
}

func TestMutablePolicy(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	version := w.importKEK(t, "kek").Key.KID.Version()
	c := w.keys(t, w.operatorIdentity)
	other := w.machine.Launch([]byte("other"))
	token := w.attest(t, maaHost, other, w.runtimeData())
	_, err := w.release(t, "kek", "", token)
	wantError(t, err, 403, "Forbidden", "AccessDenied", unmet)

	w.guest = other
	update := azkeys.UpdateKeyParameters{ReleasePolicy: &azkeys.KeyReleasePolicy{EncodedPolicy: w.roomPolicy(t)}}
	_, err = c.UpdateKey(ctx, "kek", version, update, nil)
	wantError(t, err, 400, "BadParameter", "", "AKV.SKR.1016")
	_, err = c.UpdateKey(ctx, "kek", "", update, nil)
	must(t, err)
	_, err = w.release(t, "kek", "", token)
	must(t, err)
}

func TestImmutablePolicy(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	c := w.keys(t, w.operatorIdentity)
	policy := w.roomPolicy(t)
	p := parameters(w.kek, policy)
	p.ReleasePolicy.Immutable = to.Ptr(true)
	_, err := c.ImportKey(ctx, "kek", p, nil)
	must(t, err)

	w.guest = w.machine.Launch([]byte("other"))
	widened := w.roomPolicy(t)
	for name, rp := range map[string]*azkeys.KeyReleasePolicy{
		"another policy": {EncodedPolicy: widened, Immutable: to.Ptr(true)},
		"made mutable":   {EncodedPolicy: policy, Immutable: to.Ptr(false)},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.UpdateKey(ctx, "kek", "", azkeys.UpdateKeyParameters{ReleasePolicy: rp}, nil)
			wantError(t, err, 400, "BadParameter", "", "AKV.SKR.1020")
			p.ReleasePolicy = rp
			_, err = c.ImportKey(ctx, "kek", p, nil)
			wantError(t, err, 400, "BadParameter", "", "AKV.SKR.1020")
		})
	}
	// The same policy in another serialisation is the same policy.
	parsed, err := skr.ParseReleasePolicy(policy)
	must(t, err)
	p.ReleasePolicy = &azkeys.KeyReleasePolicy{EncodedPolicy: append([]byte(" "), parsed.Encode()...), Immutable: to.Ptr(true)}
	_, err = c.ImportKey(ctx, "kek", p, nil)
	must(t, err)
}

func TestUpdateAttributes(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	version := w.importKEK(t, "kek").Key.KID.Version()
	c := w.keys(t, w.operatorIdentity)
	res, err := c.UpdateKey(ctx, "kek", version, azkeys.UpdateKeyParameters{
		KeyAttributes: &azkeys.KeyAttributes{Enabled: to.Ptr(false)},
		KeyOps:        []*azkeys.KeyOperation{to.Ptr(azkeys.KeyOperationEncrypt)},
		Tags:          map[string]*string{"contract": to.Ptr("c1")},
	}, nil)
	must(t, err)
	if *res.Attributes.Enabled || len(res.Key.KeyOps) != 1 || *res.Tags["contract"] != "c1" || !*res.Attributes.Exportable {
		t.Errorf("updated %+v", res)
	}
	if n := new(big.Int).SetBytes(res.Key.N); n.Cmp(w.kek.N) != 0 {
		t.Error("the update changed the key")
	}
	_, err = w.release(t, "kek", "", w.attest(t, maaHost, w.guest, w.runtimeData()))
	wantError(t, err, 403, "Forbidden", "KeyDisabled", "disabled")
	_, err = c.UpdateKey(ctx, "nokek", "", azkeys.UpdateKeyParameters{}, nil)
	wantError(t, err, 404, "KeyNotFound", "", "nokek")
}
