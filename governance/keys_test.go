package governance_test

import (
	"bytes"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cleanroom-go/sdk/governance"
)

var serial = big.NewInt(1)

func TestGenerateMemberKeys(t *testing.T) {
	keys, err := governance.GenerateMemberKeys("consumer", &governance.MemberKeysOptions{Validity: 48 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	member, err := keys.Member()
	if err != nil {
		t.Fatal(err)
	}
	cert := certificate(t, member)
	if cert.Subject.CommonName != "consumer" || cert.PublicKeyAlgorithm != x509.ECDSA || cert.CheckSignatureFrom(cert) != nil {
		t.Errorf("certificate %v", cert.Subject)
	}
	if d := cert.NotAfter.Sub(cert.NotBefore); d != 48*time.Hour {
		t.Errorf("the certificate is valid for %s", d)
	}
	if id := fmt.Sprintf("%x", sha256.Sum256(cert.Raw)); member.ID() != id || governance.MemberID(cert) != id {
		t.Errorf("id %s, want %s", member.ID(), id)
	}
	if !bytes.Equal(member.CertificatePEM(), keys.CertificatePEM) {
		t.Error("the certificate changed")
	}
	if _, err := governance.GenerateMemberKeys("", nil); err == nil {
		t.Error("keys without a name were made")
	}
	_, err = governance.GenerateMemberKeys("consumer", &governance.MemberKeysOptions{Curve: elliptic.P224()})
	wantText(t, err, "governance: member keys: curve P-224")
}

// TestParseMember reads the forms in which key tools write.
func TestParseMember(t *testing.T) {
	keys := keysOf(t)
	block, _ := pem.Decode(keys.PrivateKeyPEM())
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, b []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}) }
	parameters := encode("EC PARAMETERS", []byte{6, 5, 0x2b, 0x81, 4, 0, 0x22})
	good := map[string][]byte{
		"SEC 1":            keys.PrivateKeyPEM(),
		"as OpenSSL":       append(parameters, keys.PrivateKeyPEM()...),
		"PKCS #8":          encode("PRIVATE KEY", pkcs8),
		"text before":      append([]byte("some text\n"), keys.PrivateKeyPEM()...),
		"Windows line end": bytes.ReplaceAll(keys.PrivateKeyPEM(), []byte("\n"), []byte("\r\n")),
	}
	for name, text := range good {
		if _, err := governance.ParseMember(keys.CertificatePEM, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(good) != 5 {
		t.Errorf("%d forms", len(good))
	}
	bad := map[string]struct {
		cert, key []byte
		says      string
	}{
		"no key":               {keys.CertificatePEM, nil, "member key: no PEM block of type EC PRIVATE KEY or PRIVATE KEY"},
		"only parameters":      {keys.CertificatePEM, parameters[:len(parameters):len(parameters)], "member key: no PEM block"},
		"damaged SEC 1":        {keys.CertificatePEM, encode("EC PRIVATE KEY", block.Bytes[:40]), "member key: the EC PRIVATE KEY block is damaged"},
		"damaged PKCS #8":      {keys.CertificatePEM, encode("PRIVATE KEY", pkcs8[:40]), "member key: the PRIVATE KEY block is damaged"},
		"encrypted":            {keys.CertificatePEM, encode("ENCRYPTED PRIVATE KEY", pkcs8), "member key: the key is encrypted"},
		"key of another":       {keys.CertificatePEM, keysOf(t).PrivateKeyPEM(), "member key: it does not belong to the certificate"},
		"no certificate":       {nil, keys.PrivateKeyPEM(), "member certificate: no PEM block of type CERTIFICATE"},
		"damaged certificate":  {encode("CERTIFICATE", []byte("x")), keys.PrivateKeyPEM(), "member certificate: "},
		"key for certificate":  {keys.PrivateKeyPEM(), keys.PrivateKeyPEM(), "member certificate: no PEM block of type CERTIFICATE"},
		"certificate for keys": {keys.CertificatePEM, keys.CertificatePEM, "member key: no PEM block"},
	}
	for name, test := range bad {
		_, err := governance.ParseMember(test.cert, test.key)
		if err == nil || !strings.HasPrefix(err.Error(), "governance: "+test.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(bad) != 10 {
		t.Errorf("%d bad forms", len(bad))
	}
}

func TestLoadMember(t *testing.T) {
	keys := keysOf(t)
	dir := t.TempDir()
	file := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cert, key := file("cert.pem", keys.CertificatePEM), file("key.pem", keys.PrivateKeyPEM())
	garbage, other := file("garbage.pem", []byte("CANARY")), file("other.pem", keysOf(t).PrivateKeyPEM())
	absent := filepath.Join(dir, "absent.pem")
	if _, err := governance.LoadMember(cert, key); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ cert, key, names, says string }{
		{absent, key, absent, "GenerateMemberKeys"},
		{cert, absent, absent, "GenerateMemberKeys"},
		{garbage, key, garbage, "no PEM block of type CERTIFICATE"},
		{cert, garbage, garbage, "no PEM block of type EC PRIVATE KEY"},
		{cert, other, other, "does not belong to the certificate"},
		{dir, key, dir, ""},
	} {
		_, err := governance.LoadMember(test.cert, test.key)
		wantText(t, err, "governance: member ", test.names, test.says)
		if strings.Contains(err.Error(), "CANARY") {
			t.Errorf("the error shows the file: %v", err)
		}
	}
}

// printed is v in every form in which programs print things.
func printed(v any) string {
	var b strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
		fmt.Fprintf(&b, verb+"\n", v)
	}
	if j, err := json.Marshal(v); err == nil {
		b.Write(j)
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
		slog.New(h).Info("m", "v", v, "list", []any{v})
	}
	return b.String()
}

func TestNothingPrintsKeys(t *testing.T) {
	c, id := commonConsortium(t)
	keys := keysOf(t)
	member, err := keys.Member()
	c.check(err)
	block, _ := pem.Decode(keys.PrivateKeyPEM())
	key, err := x509.ParseECPrivateKey(block.Bytes)
	c.check(err)
	scalar, err := key.Bytes()
	c.check(err)
	// The key as text, as bytes in hex and in decimal, and as a number.
	canaries := []string{
		strings.Split(string(keys.PrivateKeyPEM()), "\n")[1],
		fmt.Sprintf("%x", scalar), fmt.Sprintf("%x", keys.PrivateKeyPEM()[:40]),
		strings.Trim(fmt.Sprint(scalar[:16]), "[]"), strings.Trim(fmt.Sprint(keys.PrivateKeyPEM()[30:60]), "[]"),
		new(big.Int).SetBytes(scalar).String(),
	}
	room := c.agreedRoom(id, nil)
	_, err = room.Consent(t.Context(), governance.Execution) // it holds evidence now
	c.check(err)
	type holder struct {
		Keys   *governance.MemberKeys
		keys   *governance.MemberKeys
		Value  governance.MemberKeys
		Member *governance.Member
		member *governance.Member
		client *governance.Client
		room   *governance.RoomClient
	}
	client := c.client(member, nil)
	for name, v := range map[string]any{
		"keys": keys, "keys by value": *keys, "member": member, "member by value": *member, "client": client, "room": room,
		"holder": holder{keys, keys, *keys, member, member, client, room}, "list": []any{keys, *keys, member},
	} {
		text := printed(v)
		for i, canary := range canaries {
			if strings.Contains(text, canary) {
				t.Errorf("%s: form %d of the key is printed", name, i)
			}
		}
		if name == "keys" && (strings.Count(text, "[redacted]") < 10 || !strings.Contains(text, "BEGIN CERTIFICATE")) {
			t.Errorf("printed keys:\n%s", text)
		}
	}
	if got := fmt.Sprint(room); got != "clean room of contract "+id {
		t.Errorf("room prints as %q", got)
	}
}

// TestLogShowsNoSecrets runs with a logger at its chattiest.
func TestLogShowsNoSecrets(t *testing.T) {
	c, id := commonConsortium(t)
	ctx := t.Context()
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	opts := governance.ClientOptions{ServiceCertificate: c.env.ServiceCertificate(), DialContext: c.conn("publisher").DialContext, Logger: logger}
	member, err := governance.NewClient(c.env.LedgerURL(), c.publisher.Member(), &opts)
	c.check(err)
	defer member.Close()
	const canary = "CANARY-0f2e1d"
	secretID, err := member.Contract(id).PutSecret(ctx, "name", canary)
	c.check(err)
	g := c.launch(id)
	c.agree(id, g.hostData())
	roomOpts := governance.RoomClientOptions(opts)
	room, err := governance.NewRoomClient(c.env.LedgerURL(), id, g, &roomOpts)
	c.check(err)
	defer room.Close()
	secret, err := room.Secret(ctx, secretID)
	c.check(err)
	if string(secret) != canary {
		t.Fatal("another secret")
	}
	if _, err = room.Token(ctx, governance.TokenRequest{TenantID: "tenant", Subject: canary}); err == nil {
		t.Error("a token was issued without a key")
	}
	c.check(room.PutEvent(ctx, map[string]string{"text": canary}, nil))
	text := log.String()
	if strings.Contains(text, canary) || strings.Contains(text, "evidence") || strings.Contains(text, "BEGIN") {
		t.Errorf("log:\n%s", text)
	}
	if n := strings.Count(text, `"msg":"governance call"`); n < 5 {
		t.Errorf("%d lines are logged", n)
	}
}
