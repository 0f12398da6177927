package skr

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cleanroom-go/sdk/internal/keywrap"
	"github.com/cleanroom-go/sdk/internal/testpki"
)

// crafted is a release response of the world for a fixed transfer key.
func crafted(t testing.TB, w *world) (*releaseCheck, func() string) {
	t.Helper()
	transfer := transferKeyOf(rsaKey(t, readVectors(t).Runtime.PKCS8))
	set, err := decodeObjectStrict(transfer.runtimeData)
	if err != nil {
		t.Fatal(err)
	}
	jwk := set["keys"].([]any)[0].(object)
	rc := &releaseCheck{ref: w.ref(), nonce: "n-1", algorithm: keywrap.RSAAES256, transfer: transfer, roots: w.ca.Pool(), now: time.Now()}
	return rc, func() string {
		return w.sealResponse(w.response("https://"+vaultHost+"/keys/"+keyName, string(keywrap.RSAAES256), "n-1", jwk))
	}
}

func requestOf(p object) object { return p["request"].(object) }
func jwkOf(p object) object {
	return p["response"].(object)["key"].(object)["key"].(object)
}

// editBlob changes the wrapped key.
func editBlob(edit func([]byte) []byte) func(_, _, k object) {
	return func(_, _, k object) {
		blob, err := base64.RawURLEncoding.DecodeString(k["ciphertext"].(string))
		if err != nil {
			panic(err)
		}
		k["ciphertext"] = base64.RawURLEncoding.EncodeToString(edit(blob))
	}
}

// flip and cut count from the end when negative, as the length of a key's
// encoding varies by a few bytes.
func flip(i int) func([]byte) []byte {
	return func(b []byte) []byte { b[(i+len(b))%len(b)] ^= 1; return b }
}

func cut(n int) func([]byte) []byte {
	return func(b []byte) []byte { return b[:(n+len(b))%len(b)] }
}

// Each case changes one thing of a good response, which is then signed again.
func TestResponseRefusals(t *testing.T) {
	w := newWorld(t)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	type edit = func(h, p, k object)
	cases := map[string]struct {
		edit edit
		want string
	}{
		"alg none":         {func(h, _, _ object) { h["alg"] = "none" }, "release.alg"},
		"alg HS256":        {func(h, _, _ object) { h["alg"] = "HS256" }, "release.alg"},
		"alg PS256":        {func(h, _, _ object) { h["alg"] = "PS256" }, "release.alg"},
		"empty x5c":        {func(h, _, _ object) { h["x5c"] = []any{} }, "release.x5c"},
		"no x5c":           {func(h, _, _ object) { delete(h, "x5c") }, "release.x5c"},
		"x5c leaf only":    {func(h, _, _ object) { h["x5c"] = h["x5c"].([]any)[:1] }, "release.x5c"},
		"x5c foreign leaf": {func(h, _, _ object) { h["x5c"] = []any{w.x5c} }, "release.x5c"},
		"EC leaf":          {func(h, _, _ object) { h["x5c"] = ecChain(t, w) }, "release.signing-key"},
		"x5c without root": {func(h, _, _ object) { h["x5c"] = h["x5c"].([]any)[:2] }, "release.x5c"},
		"x5c no base64":    {func(h, _, _ object) { h["x5c"].([]any)[2] = "-" }, "release.x5c"},
		"x5c no DER":       {func(h, _, _ object) { h["x5c"].([]any)[1] = "AAAA" }, "release.x5c"},
		"x5c too long":     {func(h, _, _ object) { h["x5c"] = slices.Repeat(h["x5c"].([]any), 4) }, "release.x5c"},
		"critical":         {func(h, _, _ object) { h["crit"] = []any{"b64"} }, "release.format"},
		"x5c of another":   {func(h, _, _ object) { h["x5c"] = foreignChain(t) }, "release.chain"},

		"request kid":             {func(_, p, _ object) { requestOf(p)["kid"] = "https://" + vaultHost + "/keys/other" }, "release.request-kid"},
		"request kid host":        {func(_, p, _ object) { requestOf(p)["kid"] = "https://" + evilHost + "/keys/" + keyName }, "release.request-kid"},
		"request kid secret":      {func(_, p, _ object) { requestOf(p)["kid"] = "https://" + vaultHost + "/secrets/" + keyName }, "release.request-kid"},
		"request kid missing":     {func(_, p, _ object) { delete(requestOf(p), "kid") }, "release.request-kid"},
		"response kid":            {func(_, p, _ object) { jwkOf(p)["kid"] = "https://" + vaultHost + "/keys/other/1" }, "release.response-kid"},
		"response kid no version": {func(_, p, _ object) { jwkOf(p)["kid"] = "https://" + vaultHost + "/keys/" + keyName }, "release.response-kid"},
		"nonce":                   {func(_, p, _ object) { requestOf(p)["nonce"] = "n-2" }, "release.nonce"},
		"enc SHA-1":               {func(_, p, _ object) { requestOf(p)["enc"] = "CKM_RSA_AES_KEY_WRAP" }, "release.enc"},
		"enc missing":             {func(_, p, _ object) { delete(requestOf(p), "enc") }, "release.enc"},
		"inner enc":               {func(_, _, k object) { k["header"].(object)["enc"] = "RSA_AES_KEY_WRAP_384" }, "release.key-hsm-enc"},
		"inner enc missing":       {func(_, _, k object) { delete(k["header"].(object), "enc") }, "release.key-hsm-enc"},
		"transfer kid":            {func(_, _, k object) { k["header"].(object)["kid"] = "someone" }, "release.transfer-kid"},
		"key_hsm padded":          {func(_, p, _ object) { jwkOf(p)["key_hsm"] = "e30=" }, "release.key-hsm"},
		"key_hsm no JSON":         {func(_, p, _ object) { jwkOf(p)["key_hsm"] = b64([]byte("x")) }, "release.key-hsm"},

		"blob first bit":   {editBlob(flip(0)), "release.unwrap"},
		"blob RSA part":    {editBlob(flip(255)), "release.unwrap"},
		"blob KWP part":    {editBlob(flip(256)), "release.unwrap"},
		"blob last bit":    {editBlob(flip(-1)), "release.unwrap"},
		"blob empty":       {editBlob(cut(0)), "release.unwrap"},
		"blob 255 bytes":   {editBlob(cut(255)), "release.unwrap"},
		"blob 256 bytes":   {editBlob(cut(256)), "release.unwrap"},
		"blob 258 bytes":   {editBlob(cut(258)), "release.unwrap"},
		"blob 264 bytes":   {editBlob(cut(264)), "release.unwrap"},
		"blob 271 bytes":   {editBlob(cut(271)), "release.unwrap"},
		"blob shorter":     {editBlob(cut(-8)), "release.unwrap"},
		"blob surplus":     {editBlob(func(b []byte) []byte { return append(b, 0) }), "release.unwrap"},
		"blob no base64":   {func(_, _, k object) { k["ciphertext"] = "!" }, "release.unwrap"},
		"blob for others":  {rewrap(&other.PublicKey, pkcs8(w.kek)), "release.unwrap"},
		"blob no PKCS8":    {rewrap(nil, []byte("key")), "release.key-pair"},
		"blob another key": {rewrap(nil, pkcs8(other)), "release.key-pair"},

		"kty EC":      {func(_, p, _ object) { jwkOf(p)["kty"] = "EC-HSM" }, "release.kty"},
		"kty missing": {func(_, p, _ object) { delete(jwkOf(p), "kty") }, "release.kty"},
		"published n": {func(_, p, _ object) { jwkOf(p)["n"] = b64(other.N.Bytes()) }, "release.key-pair"},
		"published e": {func(_, p, _ object) { jwkOf(p)["e"] = "Aw" }, "release.key-pair"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			rc, seal := crafted(t, w)
			w.editRelease = tc.edit
			m, checks := rc.open(seal())
			if m != nil {
				t.Fatal("accepted")
			}
			failed := ""
			for _, c := range checks {
				if !c.OK() {
					failed = c.ID
					break
				}
			}
			if failed != tc.want {
				t.Errorf("first failed check %q, want %q: %v", failed, tc.want, checks)
			}
		})
	}
	if len(cases) != 48 {
		t.Errorf("%d cases, want 48", len(cases))
	}
}

func pkcs8(key *rsa.PrivateKey) []byte {
	b, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return b
}

// rewrap replaces the blob by plain, wrapped for pub; nil means the transfer
// key of the vectors.
func rewrap(pub *rsa.PublicKey, plain []byte) func(_, _, k object) {
	return func(_, _, k object) {
		if pub == nil {
			v, err := loadVectors()
			if err != nil {
				panic(err)
			}
			key := parsePEMKey(v.Runtime.PKCS8)
			pub = &key.PublicKey
		}
		blob, err := keywrap.WrapRSAAES(pub, keywrap.RSAAES256, plain)
		if err != nil {
			panic(err)
		}
		k["ciphertext"] = base64.RawURLEncoding.EncodeToString(blob)
	}
}

// ecChain is a chain of the world's authority whose leaf has an EC key.
func ecChain(t testing.TB, w *world) []any {
	t.Helper()
	leaf, err := w.ca.Issue("*.vault.azure.net")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := leaf.PrivateKey.(*ecdsa.PrivateKey); !ok {
		t.Fatalf("leaf key is %T", leaf.PrivateKey)
	}
	return encodeChain(leaf.Certificate)
}

func foreignChain(t testing.TB) []any {
	t.Helper()
	ca, err := testpki.New("foreign")
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := ca.IssueRSA("*.vault.azure.net")
	if err != nil {
		t.Fatal(err)
	}
	return encodeChain(leaf.Certificate)
}

func encodeChain(ders [][]byte) (x5c []any) {
	for _, der := range ders {
		x5c = append(x5c, base64.StdEncoding.EncodeToString(der))
	}
	return x5c
}

// What depends on the one who asks, rather than on the response.
func TestResponseForAnotherRequest(t *testing.T) {
	w := newWorld(t)
	cases := map[string]struct {
		edit func(*releaseCheck)
		want string
	}{
		"host outside the certificate": {func(rc *releaseCheck) { rc.ref.VaultURL = "https://a.managedhsm.azure.net" }, "release.host"},
		"expired chain":                {func(rc *releaseCheck) { rc.now = rc.now.AddDate(1, 0, 0) }, "release.leaf-time"},
		"system roots":                 {func(rc *releaseCheck) { rc.roots = x509.NewCertPool() }, "release.chain"},
		"another vault":                {func(rc *releaseCheck) { rc.ref.VaultURL = "https://publisherkv.vault.azure.net" }, "release.request-kid"},
		"another name":                 {func(rc *releaseCheck) { rc.ref.Name = "cl-kek2" }, "release.request-kid"},
		"another version":              {func(rc *releaseCheck) { rc.ref.Version = "f" + version1[1:] }, "release.request-kid"},
		"another nonce":                {func(rc *releaseCheck) { rc.nonce = "n-9" }, "release.nonce"},
		"another algorithm":            {func(rc *releaseCheck) { rc.algorithm = keywrap.RSAAES384 }, "release.enc"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			rc, seal := crafted(t, w)
			tc.edit(rc)
			m, checks := rc.open(seal())
			if m != nil {
				t.Fatal("accepted")
			}
			for _, c := range checks {
				if !c.OK() {
					if c.ID != tc.want {
						t.Errorf("first failed check %s, want %s", c.ID, tc.want)
					}
					return
				}
			}
		})
	}
}

func TestResponseVariantsThatAreFine(t *testing.T) {
	w := newWorld(t)
	for name, edit := range map[string]func(h, p, k object){
		"unchanged":            nil,
		"kty without HSM":      func(_, p, _ object) { jwkOf(p)["kty"] = "RSA" },
		"no nonce echoed":      func(_, p, _ object) { delete(requestOf(p), "nonce") },
		"no transfer kid":      func(_, _, k object) { delete(k["header"].(object), "kid") },
		"kid with port":        func(_, p, _ object) { requestOf(p)["kid"] = "https://" + vaultHost + ":443/keys/" + keyName },
		"kid with slash":       func(_, p, _ object) { requestOf(p)["kid"] = "https://" + vaultHost + "/keys/" + keyName + "/" },
		"request with version": func(_, p, _ object) { requestOf(p)["kid"] = jwkOf(p)["kid"] },
	} {
		t.Run(name, func(t *testing.T) {
			rc, seal := crafted(t, w)
			w.editRelease = edit
			m, checks := rc.open(seal())
			if m == nil {
				t.Fatalf("refused: %v", checks)
			}
			if m.ref.Version != version1 {
				t.Errorf("version %q", m.ref.Version)
			}
		})
	}
}

func TestResponseBitsCount(t *testing.T) {
	w := newWorld(t)
	w.editRelease = nil
	rc, seal := crafted(t, w)
	raw := seal()
	for _, i := range []int{2, len(raw) / 4, len(raw) / 2, len(raw) * 3 / 4, len(raw) - 40} {
		changed := []byte(raw)
		changed[i] ^= 1
		if m, _ := rc.open(string(changed)); m != nil {
			t.Errorf("byte %d changed, still accepted", i)
		}
	}
	last := strings.LastIndexByte(raw, '.')
	for _, bad := range []string{"", "x", raw[:last], raw + ".x", raw[:last+1], strings.Repeat("a", maxResponse+1)} {
		if m, checks := rc.open(bad); m != nil || len(checks) == 0 {
			t.Errorf("%.20q was accepted", bad)
		}
	}
	leaf := w.leaf.PrivateKey.(*rsa.PrivateKey)
	header := object{"alg": "RS256", "x5c": encodeChain(w.leaf.Certificate)}
	for _, payload := range []any{object{"request": "x"}, "text", object{}} {
		if m, checks := rc.open(signJWS(header, payload, leaf)); m != nil || len(checks) == 0 {
			t.Errorf("payload %v was accepted", payload)
		}
	}
}
