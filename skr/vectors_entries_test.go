package skr

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cleanroom-go/sdk/internal/keywrap"
)

// entries are the members of the vectors' file, each with what it says.
type entries map[string]map[string]any

func readEntries(t *testing.T) (entries, map[string]json.RawMessage) {
	t.Helper()
	b, err := os.ReadFile("testdata/keywrap.json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	objects := entries{}
	for name, raw := range all {
		var object map[string]any
		if json.Unmarshal(raw, &object) == nil {
			objects[name] = object
		}
	}
	return objects, all
}

func (e entries) text(entry, member string) string {
	s, _ := e[entry][member].(string)
	return s
}

// TestVectorEntries knows every entry of the file, so that none that is added
// goes untested, and holds each member that can be computed against ours.
func TestVectorEntries(t *testing.T) {
	e, all := readEntries(t)
	v := readVectors(t)
	want := []string{
		"aes_kwp_rfc5649_known_answers", "ckm_rsa_aes_key_wrap", "ckm_rsa_aes_key_wrap_oct", "dek_wrap", "description", "host_data", "how_it_was_made",
		"kek", "kek_names", "maa_request", "maa_token", "oaep_sha256_max_plaintext_bytes", "release_policy", "release_response", "runtime_data", "secret_wrap",
		"snp_report_fake",
	}
	if got := slices.Sorted(maps.Keys(all)); !slices.Equal(got, want) {
		t.Fatalf("entries %v, want %v", got, want)
	}
	ran := 0
	equal := func(name, got, want string) {
		t.Helper()
		ran++
		if got != want || want == "" {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	digest := func(b []byte) string { sum := sha256.Sum256(b); return hex.EncodeToString(sum[:]) }
	encode, encodeURL := base64.StdEncoding.EncodeToString, base64.RawURLEncoding.EncodeToString

	equal("dek, hex", hex.EncodeToString(v.DEK.Plain), e.text("dek_wrap", "dek_hex"))
	equal("dek, of the sidecar", encode(v.DEK.Plain), e.text("dek_wrap", "unwrap_endpoint_response_value"))
	pin := WrappedDigest(v.DEK.Wrapped)
	equal("dek, pin", hex.EncodeToString(pin[:]), e.text("dek_wrap", "wrapped_sha256"))
	equal("secret, hex", hex.EncodeToString([]byte(v.Secret.Plain)), e.text("secret_wrap", "secret_utf8_hex"))
	equal("secret, of the sidecar", encode([]byte(v.Secret.Plain)), e.text("secret_wrap", "unwrap_endpoint_response_value"))

	equal("runtime data, sent", base64.URLEncoding.EncodeToString([]byte(v.Runtime.Bytes)), e.text("runtime_data", "json_base64url_padded_as_sent"))
	equal("runtime data, digest", digest([]byte(v.Runtime.Bytes)), e.text("runtime_data", "sha256_hex"))
	policy, err := base64.StdEncoding.DecodeString(e.text("host_data", "policy_base64_as_in_security_policy_file"))
	if err != nil {
		t.Fatal(err)
	}
	equal("policy", string(policy), e.text("host_data", "policy_utf8"))
	equal("host data", digest(policy), v.HostData.Hex)

	report := unhex(t, v.Report.Hex)
	equal("host data in the report", hex.EncodeToString(report[192:224]), v.HostData.Hex)
	equal("TCB", hex.EncodeToString(report[384:392]), e.text("snp_report_fake", "reported_tcb_bytes_le_hex"))
	equal("tcbm", hex.EncodeToString(binary.BigEndian.AppendUint64(nil, binary.LittleEndian.Uint64(report[384:]))), e.text("snp_report_fake", "tcbm_string"))
	equal("TCB, number", "0x"+e.text("snp_report_fake", "tcbm_string"), e.text("snp_report_fake", "reported_tcb_u64"))

	request, err := newMAARequest(vectorEvidence(t), "n")
	if err != nil {
		t.Fatal(err)
	}
	inner := string(padded(request.Report))
	equal("report in the request", inner, e.text("maa_request", "report_inner_json"))
	var members maaReport
	if err := json.Unmarshal([]byte(inner), &members); err != nil {
		t.Fatal(err)
	}
	equal("endorsements in the request", string(padded(members.Endorsements)), e.text("maa_request", "endorsements_json"))

	sig, err := splitJWS(v.Token.Token)
	if err != nil {
		t.Fatal(err)
	}
	header, _, _ := strings.Cut(v.Token.Token, ".")
	equal("token, header", header, encodeURL([]byte(e.text("maa_token", "header_json"))))
	equal("token, payload", string(sig.payload), v.Token.Payload)
	_, raw := vectorRelease(t)
	parts := strings.Split(raw, ".")
	equal("response, header", parts[0], encodeURL([]byte(e.text("release_response", "jws_header_json"))))
	equal("response, payload", parts[1], encodeURL([]byte(e.text("release_response", "jws_payload_json"))))
	var payload releasePayload
	if err := json.Unmarshal([]byte(e.text("release_response", "jws_payload_json")), &payload); err != nil {
		t.Fatal(err)
	}
	equal("response, key", payload.Response.Key.Key.KeyHSM, encodeURL([]byte(e.text("release_response", "key_hsm_json"))))
	if ran != 20 {
		t.Errorf("%d comparisons, want 20", ran)
	}
}

// TestVectorKeys reads the KEK in each of its five forms.
func TestVectorKeys(t *testing.T) {
	e, _ := readEntries(t)
	want := rsaKey(t, e.text("kek", "private_pkcs8_pem"))
	if want.N.BitLen() != 2048 || e["kek"]["bits"] != 2048.0 {
		t.Errorf("%d bits", want.N.BitLen())
	}
	block, _ := pem.Decode([]byte(e.text("kek", "private_pkcs1_pem")))
	pkcs1, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil || !pkcs1.Equal(want) {
		t.Errorf("PKCS #1: another key, %v", err)
	}
	block, _ = pem.Decode([]byte(e.text("kek", "public_spki_pem")))
	spki, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil || !want.PublicKey.Equal(spki) {
		t.Errorf("SPKI: another key, %v", err)
	}
	jwk, err := parseSidecarKey(json.RawMessage(e.text("kek", "sidecar_jwk_json")))
	if err != nil || !jwk.Equal(want) {
		t.Errorf("JWK: another key, %v", err)
	}
	o, err := (&sidecarClient{name: "sidecar"}).object([]byte(e.text("kek", "sidecar_release_response_body")))
	if err != nil {
		t.Fatal(err)
	}
	jwk, err = parseSidecarKey(o["key"])
	if err != nil || !jwk.Equal(want) {
		t.Errorf("body of the sidecar: another key, %v", err)
	}
	// The octet key's text has no number of an RSA key.
	if _, err := parseSidecarKey(json.RawMessage(e.text("ckm_rsa_aes_key_wrap_oct", "sidecar_jwk_json"))); err == nil {
		t.Error("an octet key was read as an RSA key")
	}
}

// TestVectorOAEPLimits wraps as many bytes as each size of key takes, and not
// one more.
func TestVectorOAEPLimits(t *testing.T) {
	limits := readVectors(t).Limits
	if len(limits) != 3 {
		t.Fatalf("%d limits, want 3", len(limits))
	}
	for bits, limit := range map[int]int{2048: limits["2048"], 3072: limits["3072"], 4096: limits["4096"]} {
		private := wrapKey(t, bits)
		for n, fits := range map[int]bool{limit: true, limit + 1: false} {
			if _, err := WrapOAEP(&private.PublicKey, make([]byte, n)); (err == nil) != fits {
				t.Errorf("%d bits, %d bytes: %v", bits, n, err)
			}
			if _, form, err := Wrap(&private.PublicKey, make([]byte, n)); err != nil || (form == FormOAEP) != fits {
				t.Errorf("%d bits, %d bytes: form %s, %v", bits, n, form, err)
			}
		}
	}
}

// TestVectorKeyWrapParts opens both halves of each wrapped key on their own, so
// that a fault in one cannot be made good by the other, and the known answers of
// RFC 5649, section 6.
func TestVectorKeyWrapParts(t *testing.T) {
	_, all := readEntries(t)
	transfer := rsaKey(t, readVectors(t).Runtime.PKCS8)
	var wraps []struct {
		Enc        keywrap.Algorithm `json:"enc"`
		AES        string            `json:"aes_key_hex"`
		KWP        string            `json:"kwp_part_hex"`
		RSALen     int               `json:"rsa_part_len"`
		KWPLen     int               `json:"kwp_part_len"`
		Ciphertext string            `json:"ciphertext_base64url"`
		Digest     string            `json:"plaintext_sha256"`
	}
	if err := json.Unmarshal(all["ckm_rsa_aes_key_wrap"], &wraps); err != nil {
		t.Fatal(err)
	}
	algorithms := []keywrap.Algorithm{keywrap.CKMRSAAES, keywrap.RSAAES256, keywrap.RSAAES384}
	for _, w := range wraps {
		blob, err := base64.RawURLEncoding.DecodeString(w.Ciphertext)
		kwp := unhex(t, w.KWP)
		if err != nil || w.RSALen != transfer.Size() || len(kwp) != w.KWPLen || len(blob) != w.RSALen+w.KWPLen || !bytes.Equal(blob[w.RSALen:], kwp) {
			t.Errorf("%s: the parts do not make the whole: %v", w.Enc, err)
			continue
		}
		plain, err := keywrap.UnwrapKWP(unhex(t, w.AES), kwp)
		sum := sha256.Sum256(plain)
		if err != nil || hex.EncodeToString(sum[:]) != w.Digest {
			t.Errorf("%s, AES: %v", w.Enc, err)
		}
		again, err := keywrap.WrapKWP(unhex(t, w.AES), plain)
		if err != nil || !bytes.Equal(again, kwp) {
			t.Errorf("%s, wrapped again: %v", w.Enc, err)
		}
		// Under another hash the RSA half opens nothing.
		for _, other := range algorithms {
			if _, err := keywrap.UnwrapRSAAES(transfer, other, blob); (err == nil) != (other == w.Enc) {
				t.Errorf("%s read as %s: %v", w.Enc, other, err)
			}
		}
	}
	var answers []struct {
		KEK     string `json:"kek_hex"`
		Plain   string `json:"plain_hex"`
		Wrapped string `json:"wrapped_hex"`
	}
	if err := json.Unmarshal(all["aes_kwp_rfc5649_known_answers"], &answers); err != nil {
		t.Fatal(err)
	}
	for _, a := range answers {
		wrapped, err := keywrap.WrapKWP(unhex(t, a.KEK), unhex(t, a.Plain))
		if err != nil || hex.EncodeToString(wrapped) != a.Wrapped {
			t.Errorf("%s: %x, %v", a.Plain, wrapped, err)
		}
		plain, err := keywrap.UnwrapKWP(unhex(t, a.KEK), unhex(t, a.Wrapped))
		if err != nil || hex.EncodeToString(plain) != a.Plain {
			t.Errorf("%s: %x, %v", a.Wrapped, plain, err)
		}
	}
	if len(wraps) != 3 || len(answers) != 2 {
		t.Errorf("%d wraps and %d known answers, want 3 and 2", len(wraps), len(answers))
	}
}
