package ccf

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"slices"
	"testing"
)

func TestEndorse(t *testing.T) {
	n, all, r := agreed(t)
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	request := func(change func(map[string]any)) string {
		m := map[string]any{
			"publicKey":   string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
			"subjectName": "CN=room", "subjectAlternateNames": []any{"dNSName:room.example", "iPAddress:10.0.0.1"}, "validityPeriodDays": 7,
		}
		change(m)
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	endorse := func(body map[string]any) answer {
		return n.app(http.MethodPost, "contracts/c/ca/generateEndorsedCert", nil, body)
	}
	good := r.signedBody(t, request(func(map[string]any) {}), "1")
	delete(good, "timestamp") // not read here
	n.want(endorse(good), http.StatusNotFound, "NoCASigningKey")
	n.accept(all, "enable_ca", map[string]any{"contractId": "c"})
	n.want(n.app(http.MethodPost, "contracts/c/ca/generateSigningKey", all[0], nil), http.StatusOK, "")

	a := endorse(good)
	n.want(a, http.StatusOK, "")
	var plain struct{ Cert string }
	if err := json.Unmarshal([]byte(r.unwrap(t, a)), &plain); err != nil {
		t.Fatal(err)
	}
	cert, err := parseCertificate(plain.Cert)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(cert.DNSNames, []string{"room.example"}) || len(cert.IPAddresses) != 1 || cert.Subject.String() != "CN=room" || cert.NotAfter.Sub(cert.NotBefore) != 7*day {
		t.Errorf("certificate of %s for %q and %v", cert.Subject, cert.DNSNames, cert.IPAddresses)
	}

	type change = func(map[string]any)
	for name, c := range map[string]change{
		"no list of names": func(m map[string]any) { delete(m, "subjectAlternateNames") },
		"another name":     func(m map[string]any) { m["subjectAlternateNames"] = []any{"rfc822Name:a@b.example"} },
		"no address":       func(m map[string]any) { m["subjectAlternateNames"] = []any{"iPAddress:x"} },
		"no subject":       func(m map[string]any) { delete(m, "subjectName") },
		"no key":           func(m map[string]any) { delete(m, "publicKey") },
		"key is no key":    func(m map[string]any) { m["publicKey"] = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY"})) },
		"no validity":      func(m map[string]any) { delete(m, "validityPeriodDays") },
	} {
		t.Run(name, func(t *testing.T) {
			n.want(endorse(r.signedBody(t, request(c), "1")), http.StatusInternalServerError, "InternalError")
		})
	}
	for code, c := range map[string]change{
		"AttestationMissing":         func(m map[string]any) { delete(m, "attestation") },
		"EncryptionMissing":          func(m map[string]any) { delete(m, "encrypt") },
		"UnsupportedPlatform":        func(m map[string]any) { m["platform"] = "tpm" },
		"VerifySnpAttestationFailed": func(m map[string]any) { m["attestation"] = map[string]any{} },
		"ReportDataMismatch":         func(m map[string]any) { m["encrypt"] = map[string]any{} },
		"SignatureMismatch":          func(m map[string]any) { m["data"] = "e30=" },
	} {
		t.Run(code, func(t *testing.T) {
			body := r.signedBody(t, request(func(map[string]any) {}), "1")
			c(body)
			n.want(endorse(body), http.StatusBadRequest, code)
		})
	}
}
