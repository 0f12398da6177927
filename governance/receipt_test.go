package governance_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cleanroom-go/sdk/governance"
)

// TestReceipt proves each version of a contract to be in the ledger, and the
// root that a signature transaction signs.
func TestReceipt(t *testing.T) {
	c, id := commonConsortium(t)
	ctx := t.Context()
	draft, err := c.consumer.Contract(id+"-draft").Create(ctx, "data")
	c.check(err)
	c.acceptedContract(id, "data")
	k, err := c.publisher.Contract(id).Get(ctx)
	c.check(err)
	for _, version := range []string{draft, k.Version, "2.1"} {
		r, err := c.publisher.Receipt(ctx, version)
		c.check(err)
		if r.TransactionID != version || !strings.Contains(r.String(), "transaction "+version) {
			t.Errorf("%s: %s", version, r)
		}
		// Offline, by a third party that got the text.
		text, err := json.Marshal(r)
		c.check(err)
		again, err := governance.ParseReceipt(text)
		c.check(err)
		result, err := again.Verify(c.env.ServiceCertificate(), &governance.VerifyReceiptOptions{TransactionID: version, ClaimsDigest: new([32]byte)})
		c.check(err)
		var ids []string
		for _, check := range result.Checks {
			if !check.OK() {
				t.Errorf("%s: %s", version, check)
			}
			ids = append(ids, check.ID)
		}
		if got := strings.Join(ids, " "); got != "receipt.transaction receipt.claims receipt.node receipt.signature receipt.endorsement" {
			t.Errorf("checks %s", got)
		}
		if result.TransactionID != version || (version != "2.1" && result.Root == result.Leaf) {
			t.Errorf("%s: %+v", version, result)
		}
	}
	// The signature that covers the first transaction is about a root.
	_, err = c.publisher.Receipt(ctx, "2.2")
	wantDenied(t, err, "receipt.transaction")
}

func TestReceiptRefusals(t *testing.T) {
	c, _ := commonConsortium(t)
	_, err := c.publisher.Receipt(t.Context(), "2.999999")
	wantCode(t, err, "TransactionPendingOrUnknown")
	_, err = c.publisher.Receipt(t.Context(), "1.1")
	wantCode(t, err, "TransactionInvalid")
	for _, bad := range []string{"", "2", "2.x", "2.1&x=y", "2.1.1"} {
		_, err = c.publisher.Receipt(t.Context(), bad)
		wantText(t, err, "governance: get receipt of transaction ", "malformed transaction id")
	}
	client := canned(t, func(r *http.Request, _ int) (*http.Response, error) {
		return respond(r, http.StatusAccepted, http.Header{"Retry-After": {"3"}}, "come back"), nil
	})
	governance.Hasten(client)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = client.Receipt(ctx, "2.1")
	wantText(t, err, "governance: get receipt of transaction 2.1: ", "still fetching")
	other := canned(t, func(r *http.Request, _ int) (*http.Response, error) { return respond(r, 200, nil, "{}"), nil })
	_, err = other.Receipt(t.Context(), "2.1")
	wantText(t, err, "governance: get receipt of transaction 2.1: node id")
}

// service is one that makes receipts for a test of the parser: an identity, a
// node, and the text of a receipt.
type service struct {
	key, nodeKey *ecdsa.PrivateKey
	cert, node   *x509.Certificate
}

func newService(t testing.TB) *service {
	t.Helper()
	s := &service{}
	s.key, s.cert = issue(t, nil, nil)
	s.nodeKey, s.node = issue(t, s.cert, s.key)
	return s
}

// knownService has the same keys in every process: a worker of the fuzzer, which
// makes its own, is to verify the receipts that another one began with.
func knownService(t testing.TB) *service {
	t.Helper()
	key := func(fill byte) *ecdsa.PrivateKey {
		k, err := ecdsa.ParseRawPrivateKey(elliptic.P384(), bytes.Repeat([]byte{fill}, 48))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	s := &service{key: key(1), nodeKey: key(2)}
	s.cert = certify(t, s.key, nil, nil)
	s.node = certify(t, s.nodeKey, s.cert, s.key)
	return s
}

// issue makes a key with a certificate by the issuer, or by itself.
func issue(t testing.TB, issuer *x509.Certificate, by *ecdsa.PrivateKey) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key, certify(t, key, issuer, by)
}

func certify(t testing.TB, key *ecdsa.PrivateKey, issuer *x509.Certificate, by *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	// Long out of date: receipts outlive certificates.
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CCF"}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1, 0)}
	if issuer == nil {
		issuer, by = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, issuer, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func toPEM(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

// receipt is for the transaction 2.7, two steps below the root.
func (s *service) receipt(t testing.TB) map[string]any {
	t.Helper()
	hash := func(text string) []byte { sum := sha256.Sum256([]byte(text)); return sum[:] }
	evidence := "ce:2.7:" + hex.EncodeToString(hash("evidence"))
	at := hash(string(hash("writes")) + string(hash(evidence)) + string(make([]byte, 32)))
	at = hash(string(hash("left")) + string(at))
	at = hash(string(at) + string(hash("right")))
	signature, err := ecdsa.SignASN1(rand.Reader, s.nodeKey, at)
	if err != nil {
		t.Fatal(err)
	}
	node := sha256.Sum256(s.node.RawSubjectPublicKeyInfo)
	return map[string]any{
		"cert": toPEM(s.node), "node_id": hex.EncodeToString(node[:]), "signature": base64.StdEncoding.EncodeToString(signature),
		"leaf_components": map[string]any{"claims_digest": strings.Repeat("0", 64), "commit_evidence": evidence, "write_set_digest": hex.EncodeToString(hash("writes"))},
		"proof":           []any{map[string]any{"left": hex.EncodeToString(hash("left"))}, map[string]any{"right": hex.EncodeToString(hash("right"))}},
	}
}

func parse(t testing.TB, doc map[string]any) (*governance.Receipt, error) {
	t.Helper()
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return governance.ParseReceipt(text)
}

// TestReceiptChanged changes one part of a good receipt at a time.
func TestReceiptChanged(t *testing.T) {
	s, other := newService(t), newService(t)
	components := func(doc map[string]any) map[string]any {
		c := maps.Clone(doc["leaf_components"].(map[string]any))
		doc["leaf_components"] = c
		return c
	}
	ones := strings.Repeat("11", 32)
	tests := map[string]struct {
		change func(doc map[string]any)
		check  string
	}{
		"writes":                 {func(d map[string]any) { components(d)["write_set_digest"] = ones }, "receipt.signature"},
		"claims":                 {func(d map[string]any) { components(d)["claims_digest"] = ones }, "receipt.claims"},
		"no claims":              {func(d map[string]any) { delete(components(d), "claims_digest") }, "receipt.signature"},
		"evidence":               {func(d map[string]any) { components(d)["commit_evidence"] = "ce:2.7:" + ones }, "receipt.signature"},
		"transaction":            {func(d map[string]any) { components(d)["commit_evidence"] = "ce:2.8:" + ones }, "receipt.transaction"},
		"path cut":               {func(d map[string]any) { d["proof"] = d["proof"].([]any)[:1] }, "receipt.signature"},
		"path turned":            {func(d map[string]any) { d["proof"] = []any{map[string]any{"left": ones}, map[string]any{"left": ones}} }, "receipt.signature"},
		"no path":                {func(d map[string]any) { d["proof"] = []any{} }, "receipt.signature"},
		"signature":              {func(d map[string]any) { d["signature"] = other.receipt(t)["signature"] }, "receipt.signature"},
		"short signature":        {func(d map[string]any) { d["signature"] = "AAAA" }, "receipt.signature"},
		"node id":                {func(d map[string]any) { d["node_id"] = ones }, "receipt.node"},
		"another service's":      {func(d map[string]any) { maps.Copy(d, other.receipt(t)) }, "receipt.endorsement"},
		"self-signed node":       {func(d map[string]any) { d["cert"] = toPEM(certify(t, s.nodeKey, nil, nil)) }, "receipt.endorsement"},
		"endorsement of another": {func(d map[string]any) { d["service_endorsements"] = []any{toPEM(other.cert)} }, "receipt.endorsement"},
	}
	for name, test := range tests {
		doc := s.receipt(t)
		test.change(doc)
		r, err := parse(t, doc)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		result, err := r.Verify([]byte(toPEM(s.cert)), &governance.VerifyReceiptOptions{TransactionID: "2.7", ClaimsDigest: new([32]byte)})
		wantDenied(t, err, test.check)
		if result == nil || len(result.Checks) != 5 {
			t.Errorf("%s: %+v", name, result)
		}
	}
	good, err := parse(t, s.receipt(t))
	if err != nil {
		t.Fatal(err)
	}
	// One of several certificates is enough.
	if _, err := good.Verify([]byte(toPEM(other.cert)+toPEM(s.cert)), nil); err != nil {
		t.Error(err)
	}
	_, err = good.Verify([]byte("x"), nil)
	wantText(t, err, "governance: verify receipt: service certificate: ")
}

// TestReceiptAfterRecovery goes through two identities that the service had
// before, and no other order of them.
func TestReceiptAfterRecovery(t *testing.T) {
	first := newService(t)
	secondKey, _ := issue(t, nil, nil)
	thirdKey, third := issue(t, nil, nil)
	firstBySecond := certify(t, first.key, &x509.Certificate{Subject: pkix.Name{CommonName: "CCF"}}, secondKey)
	secondByThird := certify(t, secondKey, third, thirdKey)
	verify := func(certs ...*x509.Certificate) error {
		doc := first.receipt(t)
		var list []string
		for _, c := range certs {
			list = append(list, toPEM(c))
		}
		doc["service_endorsements"] = list
		r, err := parse(t, doc)
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Verify([]byte(toPEM(third)), nil)
		return err
	}
	if err := verify(firstBySecond, secondByThird); err != nil {
		t.Error(err)
	}
	for _, wrong := range [][]*x509.Certificate{{}, {firstBySecond}, {secondByThird}, {secondByThird, firstBySecond}, {first.cert, secondByThird}} {
		wantDenied(t, verify(wrong...), "receipt.endorsement")
	}
}

// TestReceiptText has texts that are no receipts.
func TestReceiptText(t *testing.T) {
	s := newService(t)
	many := func(n int, v any) []any {
		list := make([]any, n)
		for i := range list {
			list[i] = v
		}
		return list
	}
	digest := strings.Repeat("ab", 32)
	for name, change := range map[string]func(map[string]any){
		"no node":             func(d map[string]any) { delete(d, "node_id") },
		"short node":          func(d map[string]any) { d["node_id"] = "ab" },
		"no certificate":      func(d map[string]any) { delete(d, "cert") },
		"two certificates":    func(d map[string]any) { d["cert"] = toPEM(s.node) + toPEM(s.cert) },
		"damaged certificate": func(d map[string]any) { d["cert"] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" },
		"no leaf":             func(d map[string]any) { delete(d, "leaf_components") },
		"old leaf":            func(d map[string]any) { delete(d, "leaf_components"); d["leaf"] = digest },
		"two leaves":          func(d map[string]any) { d["leaf"] = digest },
		"no evidence": func(d map[string]any) {
			d["leaf_components"] = map[string]any{"write_set_digest": digest, "claims_digest": digest}
		},
		"odd evidence": func(d map[string]any) {
			d["leaf_components"] = map[string]any{"write_set_digest": digest, "commit_evidence": "ce:2.7"}
		},
		"odd transaction": func(d map[string]any) {
			d["leaf_components"] = map[string]any{"write_set_digest": digest, "commit_evidence": "ce:x:" + digest}
		},
		"odd claims": func(d map[string]any) {
			d["leaf_components"] = map[string]any{"write_set_digest": digest, "claims_digest": "", "commit_evidence": "ce:2.7:" + digest}
		},
		"short writes": func(d map[string]any) {
			d["leaf_components"] = map[string]any{"write_set_digest": "ab", "commit_evidence": "ce:2.7:" + digest}
		},
		"no sides":          func(d map[string]any) { d["proof"] = []any{map[string]any{}} },
		"both sides":        func(d map[string]any) { d["proof"] = []any{map[string]any{"left": digest, "right": digest}} },
		"odd side":          func(d map[string]any) { d["proof"] = []any{map[string]any{"left": "x"}} },
		"long path":         func(d map[string]any) { d["proof"] = many(65, map[string]any{"left": digest}) },
		"many endorsements": func(d map[string]any) { d["service_endorsements"] = many(65, toPEM(s.cert)) },
		"odd endorsement":   func(d map[string]any) { d["service_endorsements"] = []any{"x"} },
		"no signature":      func(d map[string]any) { delete(d, "signature") },
		"odd signature":     func(d map[string]any) { d["signature"] = "*" },
		"odd type":          func(d map[string]any) { d["proof"] = "x" },
		"too long":          func(d map[string]any) { d["x"] = strings.Repeat("x", 1<<20) },
	} {
		doc := s.receipt(t)
		change(doc)
		if _, err := parse(t, doc); err == nil || !strings.HasPrefix(err.Error(), "governance: receipt: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, text := range []string{"", "null", "[]", "{", "x"} {
		if _, err := governance.ParseReceipt([]byte(text)); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

func FuzzParseReceipt(f *testing.F) {
	s := knownService(f)
	for _, change := range []func(map[string]any){
		func(map[string]any) {},
		func(d map[string]any) { d["service_endorsements"] = []any{toPEM(s.cert)} },
		func(d map[string]any) {
			delete(d, "leaf_components")
			d["leaf"], d["proof"] = strings.Repeat("ab", 32), []any{}
		},
	} {
		doc := s.receipt(f)
		change(doc)
		text, err := json.Marshal(doc)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	service := []byte(toPEM(s.cert))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := governance.ParseReceipt(text)
		if err != nil {
			return
		}
		result, err := r.Verify(service, nil)
		var d *governance.DeniedError
		if result == nil || (err != nil && !errors.As(err, &d)) {
			t.Fatalf("%+v, %v", result, err)
		}
		if again, err := governance.ParseReceipt(text); err != nil || again.String() != r.String() {
			t.Errorf("read twice: %v", err)
		}
	})
}
