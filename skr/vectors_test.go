package skr

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/cleanroom-go/sdk/internal/keywrap"
)

// vectors are the parts of testdata/keywrap.json that the tests read. Other
// implementations made and checked them.
type vectors struct {
	KEK struct {
		PKCS8      string `json:"private_pkcs8_pem"`
		SPKI       string `json:"public_spki_pem"`
		Thumbprint string `json:"rfc7638_sha256_thumbprint"`
	} `json:"kek"`
	DEK struct {
		Plain   []byte `json:"dek_base64"`
		Wrapped []byte `json:"wrapped_base64_as_stored_in_vault_secret"`
	} `json:"dek_wrap"`
	Secret struct {
		Plain   string `json:"secret_utf8"`
		Wrapped []byte `json:"wrapped_base64_as_stored_in_vault_secret"`
	} `json:"secret_wrap"`
	Limits  map[string]int `json:"oaep_sha256_max_plaintext_bytes"`
	Runtime struct {
		Bytes      string `json:"json_exact_bytes_utf8"`
		KID        string `json:"kid_is_rfc7638_thumbprint"`
		ReportData string `json:"report_data_hex_64_bytes"`
		PKCS8      string `json:"transfer_key_pkcs8_pem"`
	} `json:"runtime_data"`
	HostData struct {
		Hex string `json:"sha256_hex_lowercase"`
	} `json:"host_data"`
	Report struct {
		Hex string `json:"hex"`
	} `json:"snp_report_fake"`
	Request struct {
		Text   string `json:"body_json"`
		Chain  string `json:"cert_chain_utf8"`
		UVMHex string `json:"uvm_reference_info_hex"`
	} `json:"maa_request"`
	Token struct {
		Authority string `json:"authority"`
		JWKS      string `json:"jwks_json"`
		Payload   string `json:"payload_json"`
		Token     string `json:"token"`
	} `json:"maa_token"`
	Policy struct {
		CLI         string `json:"cli_serialisation_utf8"`
		CLIData     string `json:"cli_data_base64url"`
		Compact     string `json:"compact_utf8"`
		CompactData string `json:"compact_data_base64url"`
	} `json:"release_policy"`
	Wraps []struct {
		Enc        string `json:"enc"`
		Ciphertext string `json:"ciphertext_base64url"`
		Plain      []byte `json:"plaintext_pkcs8_base64"`
	} `json:"ckm_rsa_aes_key_wrap"`
	OctWrap struct {
		Enc        string `json:"enc"`
		Ciphertext string `json:"ciphertext_base64url"`
		PlainHex   string `json:"plaintext_hex"`
	} `json:"ckm_rsa_aes_key_wrap_oct"`
	Release struct {
		Body string `json:"body_json"`
		Root string `json:"root_ca_pem"`
		Host string `json:"vault_host"`
	} `json:"release_response"`
}

var loadVectors = sync.OnceValues(func() (*vectors, error) {
	b, err := os.ReadFile("testdata/keywrap.json")
	if err != nil {
		return nil, err
	}
	v := &vectors{}
	return v, json.Unmarshal(b, v)
})

func readVectors(t testing.TB) *vectors {
	t.Helper()
	v, err := loadVectors()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func rsaKey(t testing.TB, text string) *rsa.PrivateKey {
	t.Helper()
	key := parsePEMKey(text)
	if key == nil {
		t.Fatal("no RSA key")
	}
	return key
}

func parsePEMKey(text string) *rsa.PrivateKey {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil
	}
	private, _ := key.(*rsa.PrivateKey)
	return private
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// vectorTime lies inside the lifetime of the vectors' token.
var vectorTime = time.Date(2026, 1, 1, 1, 0, 0, 0, time.UTC)

func TestVectorRuntimeData(t *testing.T) {
	v := readVectors(t)
	key := transferKeyOf(rsaKey(t, v.Runtime.PKCS8))
	if got := string(key.runtimeData); got != v.Runtime.Bytes || len(got) != 458 {
		t.Errorf("runtime data\n got %s\nwant %s", got, v.Runtime.Bytes)
	}
	if key.id != v.Runtime.KID {
		t.Errorf("kid %s, want %s", key.id, v.Runtime.KID)
	}
	data := reportDataFor(key.runtimeData)
	if got := hex.EncodeToString(data[:]); got != v.Runtime.ReportData {
		t.Errorf("report data %s, want %s", got, v.Runtime.ReportData)
	}
	if kek := transferKeyOf(rsaKey(t, v.KEK.PKCS8)); kek.id != v.KEK.Thumbprint {
		t.Errorf("thumbprint %s, want %s", kek.id, v.KEK.Thumbprint)
	}
}

func vectorEvidence(t testing.TB) *Evidence {
	v := readVectors(t)
	return &Evidence{
		Report:          unhex(t, v.Report.Hex),
		Certificates:    []byte(v.Request.Chain),
		UVMEndorsements: unhex(t, v.Request.UVMHex),
		RuntimeData:     []byte(v.Runtime.Bytes),
	}
}

func TestVectorRequest(t *testing.T) {
	v := readVectors(t)
	got, err := newMAARequest(vectorEvidence(t), "1234567890123456789")
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		Report      string         `json:"report"`
		RuntimeData maaRuntimeData `json:"runtimeData"`
		Nonce       json.Number    `json:"nonce"`
	}
	if err := json.Unmarshal([]byte(v.Request.Text), &want); err != nil {
		t.Fatal(err)
	}
	if got.Report != want.Report || got.RuntimeData != want.RuntimeData || got.Nonce != want.Nonce.String() {
		t.Errorf("request differs\n got %+v\nwant %+v", got, want)
	}
}

// vectorClient verifies with the vectors' key set and asks nobody.
func vectorClient(t testing.TB) *MAAClient {
	t.Helper()
	v := readVectors(t)
	c, err := NewMAAClient(v.Token.Authority, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.now = func() time.Time { return vectorTime }
	if c.keys, err = parseKeySet([]byte(v.Token.JWKS)); err != nil {
		t.Fatal(err)
	}
	c.fetched = vectorTime
	return c
}

func TestVectorToken(t *testing.T) {
	v := readVectors(t)
	c := vectorClient(t)
	token, err := c.verify(context.Background(), v.Token.Token, "1234567890123456789", []byte(v.Runtime.Bytes))
	if err != nil {
		t.Fatal(err)
	}
	want, err := decodeObjectStrict([]byte(v.Token.Payload))
	if err != nil {
		t.Fatal(err)
	}
	if len(token.Claims()) != len(want) || len(want) != 28 {
		t.Errorf("%d claims, want %d", len(token.Claims()), len(want))
	}
	if token.Raw() != v.Token.Token || !token.Expires().Equal(time.Unix(1767254400, 0)) {
		t.Errorf("raw or expiry differs: %s", token.Expires())
	}
	if n := len(token.Checks()); n != 15 {
		t.Errorf("%d checks, want 15: %v", n, token.Checks())
	}
	policy, err := NewReleasePolicy(v.Token.Authority, v.HostData.Hex)
	if err != nil {
		t.Fatal(err)
	}
	if e := policy.Explain(token.Claims()); !e.Satisfied {
		t.Errorf("the policy of the vectors refuses their token: %s", e)
	}
}

func TestVectorReleasePolicy(t *testing.T) {
	v := readVectors(t)
	built, err := NewReleasePolicy(v.Token.Authority+"/", v.HostData.Hex)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(built.Encode()); got != v.Policy.Compact {
		t.Errorf("encoded\n got %s\nwant %s", got, v.Policy.Compact)
	}
	for name, form := range map[string][2]string{
		"cli":     {v.Policy.CLI, v.Policy.CLIData},
		"compact": {v.Policy.Compact, v.Policy.CompactData},
	} {
		data, err := base64.RawURLEncoding.DecodeString(form[1])
		if err != nil || string(data) != form[0] {
			t.Fatalf("%s: data differs from text: %v", name, err)
		}
		parsed, err := ParseReleasePolicy(data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !parsed.Equal(built) || parsed.Hash() != built.Hash() {
			t.Errorf("%s: parsed policy differs: %s", name, parsed)
		}
	}
}

func TestVectorKeyWrap(t *testing.T) {
	v := readVectors(t)
	transfer := rsaKey(t, v.Runtime.PKCS8)
	if len(v.Wraps) != 3 {
		t.Fatalf("want 3 vectors, have %d", len(v.Wraps))
	}
	for _, w := range v.Wraps {
		blob, err := base64.RawURLEncoding.DecodeString(w.Ciphertext)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := keywrap.UnwrapRSAAES(transfer, keywrap.Algorithm(w.Enc), blob)
		if err != nil || !bytes.Equal(plain, w.Plain) {
			t.Errorf("%s: %v", w.Enc, err)
		}
	}
	blob, err := base64.RawURLEncoding.DecodeString(v.OctWrap.Ciphertext)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := keywrap.UnwrapRSAAES(transfer, keywrap.Algorithm(v.OctWrap.Enc), blob)
	if err != nil || !bytes.Equal(plain, unhex(t, v.OctWrap.PlainHex)) {
		t.Errorf("octet key: %v", err)
	}
}

// vectorRelease is the check that the vectors' release response passes.
func vectorRelease(t testing.TB) (*releaseCheck, string) {
	t.Helper()
	v := readVectors(t)
	var body struct{ Value string }
	if err := json.Unmarshal([]byte(v.Release.Body), &body); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(v.Release.Root)) {
		t.Fatal("no root")
	}
	return &releaseCheck{
		ref:       KeyRef{Name: "e1b9d6c2-kek", VaultURL: "https://" + v.Release.Host, AttestationURL: v.Token.Authority},
		nonce:     "n",
		algorithm: keywrap.CKMRSAAES,
		transfer:  transferKeyOf(rsaKey(t, v.Runtime.PKCS8)),
		roots:     roots,
		now:       vectorTime,
	}, body.Value
}

func TestVectorReleaseResponse(t *testing.T) {
	v := readVectors(t)
	rc, raw := vectorRelease(t)
	m, checks := rc.open(raw)
	if m == nil {
		t.Fatalf("refused: %v", checks)
	}
	if !m.rsa.Equal(rsaKey(t, v.KEK.PKCS8)) {
		t.Error("another key came out")
	}
	if m.ref.Version != "0123456789abcdef0123456789abcdef" || m.kind != "RSA" {
		t.Errorf("released %s of kind %s", m.ref, m.kind)
	}
	key := m.handle()
	defer key.Close()
	for name, c := range map[string]struct{ wrapped, want []byte }{
		"dek":    {v.DEK.Wrapped, v.DEK.Plain},
		"secret": {v.Secret.Wrapped, []byte(v.Secret.Plain)},
	} {
		got, err := key.Unwrap(context.Background(), c.wrapped)
		if err != nil || !bytes.Equal(got, c.want) {
			t.Errorf("%s: got %d bytes, %v", name, len(got), err)
		}
	}
}

func TestVectorPublicKeyWraps(t *testing.T) {
	v := readVectors(t)
	block, _ := pem.Decode([]byte(v.KEK.SPKI))
	pub, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	private := rsaKey(t, v.KEK.PKCS8)
	limit := v.Limits["2048"]
	wrapped, err := WrapOAEP(pub.(*rsa.PublicKey), make([]byte, limit))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := rsa.DecryptOAEP(sha256.New(), nil, private, wrapped, nil)
	if err != nil || len(plain) != limit {
		t.Errorf("round trip: %d bytes, %v", len(plain), err)
	}
	if _, err := WrapOAEP(pub.(*rsa.PublicKey), make([]byte, limit+1)); err == nil {
		t.Errorf("%d bytes were wrapped", limit+1)
	}
}
