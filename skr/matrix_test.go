package skr

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// run is one whole run, over the wire: attest, release, read a secret, open
// it. Each mutation of the matrix changes one of its inputs.
type run struct {
	w        *world
	r        *Releaser
	ref      SecretRef
	evidence func(*Evidence)
}

// bentGuest changes the evidence of a guest.
type bentGuest struct {
	*guest
	run *run
}

func (g bentGuest) Attest(ctx context.Context, runtimeData []byte) (*Evidence, error) {
	ev, err := g.guest.Attest(ctx, runtimeData)
	if err == nil && g.run.evidence != nil {
		g.run.evidence(ev)
	}
	return ev, err
}

func newRun(t *testing.T) *run {
	w := newWorld(t)
	x := &run{w: w, ref: w.secretRef("pw")}
	var err error
	if x.r, err = NewReleaser(bentGuest{w.guest(), x}, &ReleaserOptions{ClientOptions: w.options(), Roots: w.ca.Pool()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.r.Close() })
	w.store(t, "pw", "the secret")
	return x
}

// refuseVault answers requests of a method to the vault with a 403.
func (x *run) refuseVault(method, inner, message string) {
	x.w.intercept = func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method != method || r.Host != vaultHost || r.Header.Get("Authorization") == "" {
			return false
		}
		refuse(rw, 403, "Forbidden", inner, message)
		return true
	}
}

// Short ways to write a mutation.
func ofToken(edit func(header, claims object)) func(*run) {
	return func(x *run) { x.w.editToken = edit }
}
func ofRelease(edit func(header, payload, keyHSM object)) func(*run) {
	return func(x *run) { x.w.editRelease = edit }
}
func ofEvidence(edit func(*Evidence)) func(*run) { return func(x *run) { x.evidence = edit } }
func ofPolicy(authority, claim, value string) func(*run) {
	return func(x *run) {
		x.w.policy = fmt.Appendf(nil, `{"version":"1.0.0","anyOf":[{"authority":%q,"allOf":[{"claim":%q,"equals":%q}]}]}`, authority, claim, value)
	}
}

const authority = "https://" + maaHost

// mutations are the negative matrix; the key is the name of a golden file.
func mutations(t *testing.T) map[string]struct {
	mutate func(*run)
	want   string // id of the one failed check
} {
	hour := int64(time.Hour / time.Second)
	now := time.Now().Unix()
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	otherHost := func(h, _, _ object) { h["x5c"] = chainFor(t, "other.example.com") }
	return map[string]struct {
		mutate func(*run)
		want   string
	}{
		"evidence-report-cut":     {ofEvidence(func(e *Evidence) { e.Report = e.Report[:1183] }), "evidence.report"},
		"evidence-report-data":    {ofEvidence(func(e *Evidence) { e.Report[reportDataOffset] ^= 1 }), "evidence.report-data"},
		"evidence-no-certificate": {ofEvidence(func(e *Evidence) { e.Certificates = nil }), "evidence.certificates"},
		"evidence-refused": {func(x *run) {
			x.w.intercept = func(rw http.ResponseWriter, r *http.Request) bool {
				if r.Host == maaHost {
					refuse(rw, 400, "InvalidParameter", "", "the report is not genuine")
				}
				return r.Host == maaHost
			}
		}, "attest.evidence"},

		"token-alg-none":      {ofToken(func(h, _ object) { h["alg"] = "none" }), "token.alg"},
		"token-alg-hs256":     {ofToken(func(h, _ object) { h["alg"] = "HS256" }), "token.alg"},
		"token-two-parts":     {func(x *run) { x.w.rawToken = func(s string) string { return s[:strings.LastIndexByte(s, '.')] } }, "token.format"},
		"token-four-parts":    {func(x *run) { x.w.rawToken = func(s string) string { return s + ".e30" } }, "token.format"},
		"token-too-long":      {func(x *run) { x.w.rawToken = func(s string) string { return s + strings.Repeat("A", maxTokenBytes) } }, "token.size"},
		"token-signature-bit": {func(x *run) { x.w.rawToken = flipSignature }, "token.signature"},
		"token-jku":           {ofToken(func(h, _ object) { h["jku"] = "https://" + evilHost + "/certs" }), "token.jku"},
		"token-kid":           {ofToken(func(h, _ object) { h["kid"] = "maa-2" }), "token.kid"},
		"token-issuer":        {ofToken(func(_, c object) { c["iss"] = "https://other.attest.azure.net" }), "token.issuer"},
		"token-expired":       {ofToken(func(_, c object) { c["exp"] = now - hour }), "token.expiry"},
		"token-no-expiry":     {ofToken(func(_, c object) { delete(c, "exp") }), "token.expiry"},
		"token-not-yet":       {ofToken(func(_, c object) { c["nbf"] = now + hour }), "token.not-before"},
		"token-nonce":         {ofToken(func(_, c object) { c["nonce"] = "n" }), "token.nonce"},
		"token-type":          {ofToken(func(_, c object) { c[claimType] = "sgx" }), "token.type"},
		"token-debuggable":    {ofToken(func(_, c object) { c[claimDebuggable] = true }), "token.debuggable"},
		"token-report-data":   {ofToken(func(_, c object) { c[claimReportData] = strings.Repeat("0", 128) }), "token.report-data"},
		"token-runtime":       {ofToken(func(_, c object) { c[claimRuntime].(object)["keys"] = []any{} }), "token.runtime"},

		"policy-host-data":  {ofPolicy(authority, claimHostData, strings.Repeat("cd", 32)), "policy." + claimHostData},
		"policy-compliance": {ofToken(func(_, c object) { delete(c, claimCompliance) }), "policy." + claimCompliance},
		"policy-authority":  {ofPolicy("https://other.attest.azure.net", claimType, typeSEVSNP), "policy.authority"},
		"vault-role":        {func(x *run) { x.refuseVault("POST", "ForbiddenByRbac", "Caller is not authorized") }, "release.role"},
		"vault-token":       {func(x *run) { x.refuseVault("POST", "AccessDenied", "cannot be verified") }, "release.token"},

		"release-alg-none":       {ofRelease(func(h, _, _ object) { h["alg"] = "none" }), "release.alg"},
		"release-alg-hs256":      {ofRelease(func(h, _, _ object) { h["alg"] = "HS256" }), "release.alg"},
		"release-two-parts":      {func(x *run) { x.w.rawRelease = func(s string) string { return s[:strings.LastIndexByte(s, '.')] } }, "release.format"},
		"release-four-parts":     {func(x *run) { x.w.rawRelease = func(s string) string { return s + ".e30" } }, "release.format"},
		"release-signature-bit":  {func(x *run) { x.w.rawRelease = flipSignature }, "release.signature"},
		"release-x5c-empty":      {ofRelease(func(h, _, _ object) { h["x5c"] = []any{} }), "release.x5c"},
		"release-x5c-no-root":    {ofRelease(func(h, _, _ object) { h["x5c"] = h["x5c"].([]any)[:2] }), "release.x5c"},
		"release-x5c-stranger":   {ofRelease(func(h, _, _ object) { h["x5c"] = foreignChain(t) }), "release.chain"},
		"release-leaf-ec":        {func(x *run) { x.w.editRelease = func(h, _, _ object) { h["x5c"] = ecChain(t, x.w) } }, "release.signing-key"},
		"release-leaf-host":      {ofRelease(otherHost), "release.host"},
		"release-leaf-expired":   {inAYear, "release.leaf-time"},
		"release-request-kid":    {ofRelease(func(_, p, _ object) { requestOf(p)["kid"] = "https://" + vaultHost + "/keys/other" }), "release.request-kid"},
		"release-other-version":  {func(x *run) { x.ref.KEK.Version = version1; x.w.editRelease = otherVersion }, "release.response-kid"},
		"release-nonce":          {ofRelease(func(_, p, _ object) { requestOf(p)["nonce"] = "n" }), "release.nonce"},
		"release-target":         {ofRelease(func(_, p, _ object) { requestOf(p)["target"] = "another" }), "release.target"},
		"release-enc":            {ofRelease(func(_, p, _ object) { requestOf(p)["enc"] = "CKM_RSA_AES_KEY_WRAP" }), "release.enc"},
		"release-enc-missing":    {ofRelease(func(_, p, _ object) { delete(requestOf(p), "enc") }), "release.enc"},
		"release-inner-enc":      {ofRelease(func(_, _, k object) { k["header"].(object)["enc"] = "RSA_AES_KEY_WRAP_384" }), "release.key-hsm-enc"},
		"release-transfer-key":   {ofRelease(func(_, _, k object) { k["header"].(object)["kid"] = "somebody" }), "release.transfer-kid"},
		"release-key-hsm":        {ofRelease(func(_, p, _ object) { jwkOf(p)["key_hsm"] = "e30=" }), "release.key-hsm"},
		"release-blob-255":       {ofRelease(editBlob(cut(255))), "release.unwrap"},
		"release-blob-256":       {ofRelease(editBlob(cut(256))), "release.unwrap"},
		"release-blob-258":       {ofRelease(editBlob(cut(258))), "release.unwrap"},
		"release-blob-264":       {ofRelease(editBlob(cut(264))), "release.unwrap"},
		"release-blob-271":       {ofRelease(editBlob(cut(271))), "release.unwrap"},
		"release-blob-surplus":   {ofRelease(editBlob(func(b []byte) []byte { return append(b, 0) })), "release.unwrap"},
		"release-blob-rsa-bit":   {ofRelease(editBlob(flip(200))), "release.unwrap"},
		"release-blob-aes-bit":   {ofRelease(editBlob(flip(-1))), "release.unwrap"},
		"release-blob-stranger":  {ofRelease(rewrap(&other.PublicKey, pkcs8(other))), "release.unwrap"},
		"release-kty-ec":         {ofRelease(func(_, p, _ object) { jwkOf(p)["kty"] = "EC-HSM" }), "release.kty"},
		"release-kty-oct":        {ofRelease(func(_, p, _ object) { jwkOf(p)["kty"] = "oct-HSM" }), "release.key-size"},
		"release-published-half": {ofRelease(func(_, p, _ object) { jwkOf(p)["e"] = "Aw" }), "release.key-pair"},

		"secret-role":    {func(x *run) { x.refuseVault("GET", "ForbiddenByRbac", "Caller is not authorized") }, "secret.role"},
		"secret-swapped": {func(x *run) { x.w.store(t, "pw", "another secret") }, "secret.digest"},
	}
}

func flipSignature(s string) string {
	i := len(s) - 40
	c := byte('A')
	if s[i] == c {
		c = 'B'
	}
	return s[:i] + string(c) + s[i+1:]
}

func otherVersion(_, p, _ object) {
	jwkOf(p)["kid"] = "https://" + vaultHost + "/keys/" + keyName + "/ffffffffffffffffffffffffffffffff"
}

// inAYear moves this program's clock, and the token's times with it.
func inAYear(x *run) {
	then := time.Now().AddDate(1, 0, 0)
	x.r.now = func() time.Time { return then }
	x.w.editToken = func(_, c object) { c["nbf"], c["exp"] = then.Unix(), then.Unix()+28800 }
}

// chainFor is a trusted chain of a host that is no vault.
func chainFor(t *testing.T, host string) []any {
	t.Helper()
	keys, err := worldKeys()
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := keys.ca.IssueRSA(host)
	if err != nil {
		t.Fatal(err)
	}
	return encodeChain(leaf.Certificate)
}

// pin makes the reference name the wrapped value that is stored now.
func (x *run) pin(t *testing.T) {
	t.Helper()
	wrapped, err := base64.StdEncoding.DecodeString(x.w.secrets["pw"])
	if err != nil {
		t.Fatal(err)
	}
	x.ref.Digest = WrappedDigest(wrapped)
}

func TestNegativeMatrix(t *testing.T) {
	cases := mutations(t)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			x := newRun(t)
			x.pin(t)
			tc.mutate(x)
			u := x.w.unwrapper(t, x.r)
			_, err := u.Unwrap(context.Background(), x.ref)
			var denied *DeniedError
			if !errors.As(err, &denied) {
				t.Fatalf("not denied: %v", err)
			}
			if ids := failedIDs(err); len(ids) != 1 || ids[0] != tc.want {
				t.Errorf("failed checks %v, want %s alone: %v", ids, tc.want, err)
			}
			if isUnwrap := tc.want == "release.unwrap"; isUnwrap != (ReasonOf(err) != "") {
				t.Errorf("reason %q", ReasonOf(err))
			}
			golden(t, "matrix-"+name, normal(explain(denied)))
		})
	}
	if len(cases) != 60 {
		t.Errorf("%d mutations, want 60", len(cases))
	}
	if files, _ := filepath.Glob("testdata/golden/matrix-*.txt"); len(files) != len(cases) {
		t.Errorf("%d golden files for %d mutations", len(files), len(cases))
	}
	x := newRun(t)
	x.pin(t)
	plain, err := x.w.unwrapper(t, x.r).Unwrap(context.Background(), x.ref)
	if err != nil || string(plain) != "the secret" {
		t.Errorf("the run without a mutation: %v", err)
	}
}

func explain(denied *DeniedError) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: denied by %s\n", denied.Op, denied.By)
	for _, c := range denied.Checks {
		fmt.Fprintf(&b, "%s\n", c)
		if c.Remedy != "" {
			fmt.Fprintf(&b, "\t%s\n", c.Remedy)
		}
	}
	return b.String()
}

var variable = []struct {
	pattern *regexp.Regexp
	text    string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`), "TIME"},
	{regexp.MustCompile(`\b[0-9a-f]{128}\b`), "HEX"},
	{regexp.MustCompile(`[A-Za-z0-9+/]{43}=`), "BASE64"},
	{regexp.MustCompile(`[A-Za-z0-9_-]{43}\b`), "BASE64"},
	{regexp.MustCompile(`\b\d+ bytes\)`), "N bytes)"},
	{regexp.MustCompile(`got \d{4,} bytes`), "got N bytes"},
}

// normal takes out what differs from run to run.
func normal(s string) string {
	for _, v := range variable {
		s = v.pattern.ReplaceAllString(s, v.text)
	}
	return s
}
